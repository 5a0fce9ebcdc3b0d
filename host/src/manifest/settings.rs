//! The sections that share the table of limits: a manifest's `[limits]`, the host config's `[defaults]` and `[ceilings]`.

use std::time::Duration;

use super::reader::{Item, Report, Table};
use super::value;
use crate::limits::{Ceilings, KEYS, Key, Kind, Limits, Value};

/// Read `[limits]` or `[defaults]`: `inherited`, changed by what the section says. Values over a ceiling are reported.
pub(crate) fn limits<'a>(
    section: Option<Table<'a>>,
    inherited: &Limits,
    ceilings: &Ceilings,
    report: &mut Report<'a>,
) -> Limits {
    let mut limits = inherited.clone();
    let (mut ping_timeout, mut recycle_at) = (None, None);
    for (key, item) in entries(section, report) {
        let value = match amount(key, &item, key.kind.allows_off()) {
            Ok(value) => value,
            Err(text) => {
                report.item(&item, text);
                continue;
            }
        };
        if let Some(ceiling) = key.ceiling(ceilings)
            && value.exceeds(&ceiling)
        {
            let advice = "only [ceilings] in the host config can raise it";
            report.item(&item, format!("{} is over the ceiling of {ceiling}; {advice}", item.shown));
        }
        key.set(&mut limits, value);
        match key.name {
            "ping_timeout" => ping_timeout = Some(item),
            "recycle_at" => recycle_at = Some(item),
            _ => {}
        }
    }
    if let (Some(item), Some(timeout), Some(interval)) = (ping_timeout, limits.ping_timeout, limits.ping_interval)
        && timeout > interval
    {
        let interval = humantime::format_duration(interval);
        report.item(&item, format!("{} is longer than the ping interval, {interval}", item.shown));
    }
    if let (Some(item), Some(mark)) = (recycle_at, limits.recycle_at)
        && mark > limits.memory as u64
    {
        let memory = bytesize::ByteSize(limits.memory as u64);
        report.item(&item, format!("{} is never reached: the limit of memory is {memory}", item.shown));
    }
    limits.fit();
    limits
}

/// Read `[ceilings]`. `"off"` lifts a ceiling.
pub(crate) fn ceilings<'a>(section: Option<Table<'a>>, report: &mut Report<'a>) -> Ceilings {
    let mut ceilings = Ceilings::default();
    for (key, item) in entries(section, report) {
        match amount(key, &item, true) {
            Ok(value) => key.set_ceiling(&mut ceilings, value.amount.map(|_| value)),
            Err(text) => report.item(&item, text),
        }
    }
    ceilings
}

/// What a section says, in the order of [`KEYS`].
fn entries<'a>(section: Option<Table<'a>>, report: &mut Report<'a>) -> Vec<(&'static Key, Item<'a>)> {
    let Some(mut section) = section else { return Vec::new() };
    let items = KEYS.iter().filter_map(|key| section.take(key.name).map(|item| (key, item))).collect();
    section.finish(report);
    items
}

fn amount(key: &Key, item: &Item<'_>, off_allowed: bool) -> Result<Value, String> {
    if value::is_off(item) {
        let rule = "cannot be off; give it a value";
        return if off_allowed { Ok(key.value(None)) } else { Err(rule.to_owned()) };
    }
    let amount = match key.kind {
        Kind::Size | Kind::SizeOrOff => value::size(item)?,
        Kind::Count | Kind::CountOrOff => value::count(item)?,
        Kind::Share => value::percent(item)?,
        Kind::Time | Kind::TimeOrOff => nanoseconds(value::time(item)?),
    };
    if !(key.least..=key.most).contains(&amount) {
        let (least, most) = (key.value(Some(key.least)), key.value(Some(key.most)));
        let or_off = if off_allowed { ", or \"off\"" } else { "" };
        return Err(format!("{} is out of range; allowed are {least} to {most}{or_off}", item.shown));
    }
    Ok(key.value(Some(amount)))
}

/// Too long a time is clamped: it is out of every range anyway.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
