//! From a TOML value to a string, size, time or count. An error is the end of a sentence that starts with the key.

use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

use super::reader::Item;

/// Text, which may be empty.
pub(crate) fn string(item: &Item<'_>) -> Result<String, String> {
    match &item.value {
        DeValue::String(text) => Ok(text.clone().into_owned()),
        _ => Err(format!("{} is not a string; write text in quotes", item.shown)),
    }
}

/// Text that is not empty and has no control characters.
pub(crate) fn line(item: &Item<'_>) -> Result<String, String> {
    let text = string(item)?;
    if text.trim().is_empty() {
        return Err(format!("{} is empty", item.shown));
    }
    if text.chars().any(char::is_control) {
        return Err(format!("{} has a control character; write one line of text", item.shown));
    }
    Ok(text)
}

/// A path, not yet joined with a folder.
pub(crate) fn path(item: &Item<'_>) -> Result<PathBuf, String> {
    line(item).map(PathBuf::from)
}

/// One of a few words.
pub(crate) fn word<T: Copy>(item: &Item<'_>, words: &[(&str, T)]) -> Result<T, String> {
    let found = match &item.value {
        DeValue::String(text) => words.iter().find(|(word, _)| text == word),
        _ => None,
    };
    let allowed = || words.iter().map(|(word, _)| format!("{word:?}")).collect::<Vec<_>>().join(" or ");
    found.map(|(_, value)| *value).ok_or_else(|| format!("{} is not known; write {}", item.shown, allowed()))
}

/// Yes or no.
pub(crate) fn boolean(item: &Item<'_>) -> Result<bool, String> {
    match &item.value {
        DeValue::Boolean(value) => Ok(*value),
        _ => Err(format!("{} is neither true nor false; write one of them without quotes", item.shown)),
    }
}

/// Whether a value is the word `"off"`.
pub(crate) fn is_off(item: &Item<'_>) -> bool {
    matches!(&item.value, DeValue::String(text) if text == "off")
}

/// Bytes: `"64MiB"`, or a plain number.
pub(crate) fn size(item: &Item<'_>) -> Result<u64, String> {
    let bytes = match &item.value {
        // A unit without its B is ambiguous: some read 64M as 1024 * 1024, some as a million.
        DeValue::String(text) if text.ends_with(['B', 'b']) || text.ends_with(|c: char| c.is_ascii_digit()) => {
            text.parse::<bytesize::ByteSize>().ok().map(|size| size.as_u64())
        }
        _ => whole(item),
    };
    let rule = "write a number with B, KiB, MiB or GiB, as in \"64MiB\"";
    bytes.ok_or_else(|| format!("{} is not a size; {rule}", item.shown))
}

/// A time with its unit: `"100ms"`.
pub(crate) fn time(item: &Item<'_>) -> Result<Duration, String> {
    let time = match &item.value {
        DeValue::String(text) if text.ends_with(|c: char| c.is_ascii_alphabetic()) => {
            humantime::parse_duration(text).ok()
        }
        _ => None,
    };
    let rule = "write a number with ms, s, min or h, as in \"100ms\"";
    time.ok_or_else(|| format!("{} is not a time; {rule}", item.shown))
}

/// A part of something: `"50%"`.
pub(crate) fn percent(item: &Item<'_>) -> Result<u64, String> {
    let percent = match &item.value {
        DeValue::String(text) => text.strip_suffix('%').and_then(|number| number.parse().ok()),
        _ => None,
    };
    percent.ok_or_else(|| format!("{} is not a share; write whole percent, as in \"50%\"", item.shown))
}

/// A whole number, not negative.
pub(crate) fn count(item: &Item<'_>) -> Result<u64, String> {
    whole(item).ok_or_else(|| format!("{} is not a count; write a whole number without quotes, as in 100", item.shown))
}

fn whole(item: &Item<'_>) -> Option<u64> {
    match &item.value {
        DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
        _ => None,
    }
}
