//! One limit in the form that all limits share: how it is written, read, compared and shown.

use std::fmt;
use std::time::Duration;

use super::{Ceilings, GIB, KIB, Limits, MIB};

/// How a limit is written and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bytes, as in `"64MiB"`.
    Size,
    /// A time, as in `"100ms"`.
    Time,
    /// A time, or `"off"`.
    TimeOrOff,
    /// Bytes, or `"off"`.
    SizeOrOff,
    /// A whole number.
    Count,
    /// A whole number, or `"off"`.
    CountOrOff,
    /// A part of the machine, as in `"50%"`.
    Share,
}

impl Kind {
    /// Whether the limit may be `"off"`.
    pub fn allows_off(self) -> bool {
        matches!(self, Kind::TimeOrOff | Kind::SizeOrOff | Kind::CountOrOff)
    }
}

/// The value of one limit in a form that all limits share, so that they can be read, compared and shown alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value {
    /// How it is written.
    pub kind: Kind,
    /// Bytes, nanoseconds, a count or percent, as the kind says; none when the limit is off.
    pub amount: Option<u64>,
}

impl Value {
    /// Whether this allows more than `ceiling` does. A limit that is off allows more than any number.
    pub fn exceeds(&self, ceiling: &Value) -> bool {
        self.amount.unwrap_or(u64::MAX) > ceiling.amount.unwrap_or(u64::MAX)
    }
}

/// As it is written in a manifest, without quotes: `64MiB`, `1m 30s`, `off`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(amount) = self.amount else { return f.write_str("off") };
        match self.kind {
            Kind::Count | Kind::CountOrOff => write!(f, "{amount}"),
            Kind::Share => write!(f, "{amount}%"),
            Kind::Time | Kind::TimeOrOff => humantime::format_duration(Duration::from_nanos(amount)).fmt(f),
            Kind::Size | Kind::SizeOrOff => {
                let units = [(GIB as u64, "GiB"), (MIB as u64, "MiB"), (KIB as u64, "KiB")];
                let exact = units.into_iter().find(|(unit, _)| amount >= *unit && amount % unit == 0);
                let (unit, name) = exact.unwrap_or((1, "B"));
                write!(f, "{}{name}", amount / unit)
            }
        }
    }
}

/// One settable limit: how its key is called, what it may be, where it is kept.
pub struct Key {
    /// The key in `[limits]`, `[defaults]` and `[ceilings]`.
    pub name: &'static str,
    /// How it is written.
    pub kind: Kind,
    /// The least allowed amount, in the unit of [`Value::amount`].
    pub least: u64,
    /// The greatest allowed amount, in the unit of [`Value::amount`].
    pub most: u64,
    pub(super) get: fn(&Limits) -> Option<u64>,
    pub(super) set: fn(&mut Limits, Option<u64>),
    pub(super) ceiling: fn(&Ceilings) -> Option<Option<u64>>,
    pub(super) set_ceiling: fn(&mut Ceilings, Option<Option<u64>>),
}

impl Key {
    /// An amount of this limit's kind.
    pub fn value(&self, amount: Option<u64>) -> Value {
        Value { kind: self.kind, amount }
    }

    /// What `limits` hold.
    pub fn get(&self, limits: &Limits) -> Value {
        self.value((self.get)(limits))
    }

    /// Change what `limits` hold.
    pub fn set(&self, limits: &mut Limits, value: Value) {
        (self.set)(limits, value.amount);
    }

    /// The ceiling; none when there is none.
    pub fn ceiling(&self, ceilings: &Ceilings) -> Option<Value> {
        (self.ceiling)(ceilings).map(|amount| self.value(amount))
    }

    /// Change or lift the ceiling.
    pub fn set_ceiling(&self, ceilings: &mut Ceilings, value: Option<Value>) {
        (self.set_ceiling)(ceilings, value.map(|value| value.amount));
    }
}

/// Between a field's type and the amount in a [`Value`].
pub(super) trait Amount {
    fn amount(&self) -> Option<u64>;
    /// Off becomes the greatest value where the type has no word for it; too great an amount is clamped to it.
    fn from_amount(amount: Option<u64>) -> Self;
}

impl Amount for usize {
    fn amount(&self) -> Option<u64> {
        u64::try_from(*self).ok()
    }
    fn from_amount(amount: Option<u64>) -> Self {
        amount.and_then(|amount| usize::try_from(amount).ok()).unwrap_or(usize::MAX)
    }
}

impl Amount for u32 {
    fn amount(&self) -> Option<u64> {
        Some(u64::from(*self))
    }
    fn from_amount(amount: Option<u64>) -> Self {
        amount.and_then(|amount| u32::try_from(amount).ok()).unwrap_or(u32::MAX)
    }
}

impl Amount for Duration {
    fn amount(&self) -> Option<u64> {
        Some(u64::try_from(self.as_nanos()).unwrap_or(u64::MAX))
    }
    fn from_amount(amount: Option<u64>) -> Self {
        Duration::from_nanos(amount.unwrap_or(u64::MAX))
    }
}

impl Amount for u64 {
    fn amount(&self) -> Option<u64> {
        Some(*self)
    }
    fn from_amount(amount: Option<u64>) -> Self {
        amount.unwrap_or(u64::MAX)
    }
}

impl Amount for Option<u64> {
    fn amount(&self) -> Option<u64> {
        *self
    }
    fn from_amount(amount: Option<u64>) -> Self {
        amount
    }
}

impl Amount for Option<Duration> {
    fn amount(&self) -> Option<u64> {
        self.and_then(|time| time.amount())
    }
    fn from_amount(amount: Option<u64>) -> Self {
        amount.map(Duration::from_nanos)
    }
}
