//! Reads TOML key by key and goes on after a problem, so that all of them are reported at once. Shared by the manifest and
//! the host config.
//!
//! A key that was never asked for is unknown; so the calls that read a table are also the list of what it allows.

use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::problems::{Problem, Problems};
use crate::limits::CONFIG_BYTES;

/// Characters of a value that an error quotes.
const QUOTED: usize = 60;

/// The problems found so far in one file.
pub(crate) struct Report<'a> {
    file: &'a Path,
    text: &'a str,
    problems: Vec<Problem>,
}

/// A table whose keys are taken out one by one.
pub(crate) struct Table<'a> {
    /// The dotted name; empty for the whole file.
    name: String,
    at: Option<usize>,
    items: Vec<Item<'a>>,
    asked: Vec<&'static str>,
}

/// A value and where it stands.
pub(crate) struct Item<'a> {
    /// The full name, as in `limits.memory`.
    name: String,
    /// The last part of the name.
    pub(crate) key: String,
    at: usize,
    /// How the file writes it, for quoting.
    pub(crate) shown: String,
    pub(crate) value: DeValue<'a>,
}

/// Read a configuration file of at most [`CONFIG_BYTES`]; `absent` says what to do when there is none.
pub(crate) fn read_file(path: &Path, absent: &str) -> Result<String, Problems> {
    let problem = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Problems::of_file(path, format!("there is no such file; {absent}")),
        _ => Problems::of_file(path, format!("cannot be read: {error}")),
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(problem)?;
    file.take(CONFIG_BYTES + 1).read_to_end(&mut bytes).map_err(problem)?;
    if bytes.len() as u64 > CONFIG_BYTES {
        return Err(Problems::of_file(path, format!("is larger than the {CONFIG_BYTES} bytes that are allowed")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes().iter().take(valid).filter(|byte| **byte == b'\n').count();
        let text = "is not UTF-8 text".to_owned();
        Problems(vec![Problem { file: path.to_owned(), line: Some(line), text }])
    })
}

impl<'a> Report<'a> {
    /// Parse a file's text. Without a table the syntax is wrong; then only that is reported.
    pub(crate) fn parse(file: &'a Path, text: &'a str) -> (Self, Option<Table<'a>>) {
        let mut report = Report { file, text, problems: Vec::new() };
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            report.syntax(error);
        }
        let table = errors.is_empty().then(|| Table::new(String::new(), None, table.into_inner(), &report));
        (report, table)
    }

    /// Add a problem with a value.
    pub(crate) fn item(&mut self, item: &Item<'_>, text: impl Display) {
        self.add(Some(item.at), format!("{}: {text}", item.name));
    }

    /// Add a problem with the file as a whole.
    pub(crate) fn file(&mut self, text: impl Display) {
        self.add(None, text.to_string());
    }

    /// The value, if there was no problem.
    pub(crate) fn finish<T>(mut self, value: Option<T>) -> Result<T, Problems> {
        self.problems.sort_by_key(|problem| problem.line);
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(Problems(self.problems)),
        }
    }

    /// Add a mistake in the syntax. One per line: the first of a line tends to cause the others.
    fn syntax(&mut self, error: &toml::de::Error) {
        let at = error.span().map(|span| span.start);
        let line = at.map(|at| self.line(at));
        if self.problems.iter().any(|problem| problem.line == line) {
            return;
        }
        let quoted = error.span().map(|span| quote(self.text.get(span).unwrap_or_default())).unwrap_or_default();
        let place = if quoted.is_empty() { String::new() } else { format!(" at `{quoted}`") };
        self.add(at, format!("not valid TOML{place}: {}", error.message()));
    }

    fn add(&mut self, at: Option<usize>, text: String) {
        let line = at.map(|at| self.line(at));
        self.problems.push(Problem { file: self.file.to_owned(), line, text });
    }

    fn line(&self, at: usize) -> usize {
        1 + self.text.bytes().take(at).filter(|byte| *byte == b'\n').count()
    }

    fn shown(&self, value: &DeValue<'_>, span: Range<usize>) -> String {
        match value {
            DeValue::Table(_) => "a table".to_owned(),
            DeValue::Array(_) => "a list".to_owned(),
            _ => quote(self.text.get(span).unwrap_or_default()),
        }
    }
}

/// The first line of a piece of the file, not too long and safe on a terminal.
fn quote(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let quoted: String = line.chars().filter(|c| !c.is_control()).take(QUOTED).collect();
    if quoted.len() < text.trim_end().len() { format!("{quoted}…") } else { quoted }
}

/// A key as TOML writes it.
fn written(key: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !key.is_empty() && key.chars().all(is_bare) { key.to_owned() } else { quote(&format!("{key:?}")) }
}

impl<'a> Table<'a> {
    fn new(name: String, at: Option<usize>, entries: DeTable<'a>, report: &Report<'a>) -> Self {
        let items = entries.into_iter().map(|(key, value)| {
            let (at, span) = (key.span().start, value.span());
            let key = key.into_inner().into_owned();
            let full = if name.is_empty() { written(&key) } else { format!("{name}.{}", written(&key)) };
            let shown = report.shown(value.get_ref(), span);
            Item { name: full, key, at, shown, value: value.into_inner() }
        });
        let mut items: Vec<Item<'a>> = items.collect();
        items.sort_by_key(|item| item.at);
        Table { name, at, items, asked: Vec::new() }
    }

    /// Whether a key has a value other than an empty list.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.get(key).is_some_and(|item| item.value.as_array().is_none_or(|list| !list.is_empty()))
    }

    /// Look at a value that is still there.
    pub(crate) fn get(&self, key: &str) -> Option<&Item<'a>> {
        self.items.iter().find(|item| item.key == key)
    }

    /// Take a value out.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<Item<'a>> {
        self.asked.push(key);
        let index = self.items.iter().position(|item| item.key == key)?;
        Some(self.items.remove(index))
    }

    /// Take a value out and convert it; none when it is absent or bad, which is reported.
    pub(crate) fn read<T>(
        &mut self,
        key: &'static str,
        report: &mut Report<'a>,
        convert: impl Fn(&Item<'a>) -> Result<T, String>,
    ) -> Option<T> {
        let item = self.take(key)?;
        convert(&item).map_err(|text| report.item(&item, text)).ok()
    }

    /// The same for a value that has to be there; `example` shows one.
    pub(crate) fn required<T>(
        &mut self,
        key: &'static str,
        example: &str,
        report: &mut Report<'a>,
        convert: impl Fn(&Item<'a>) -> Result<T, String>,
    ) -> Option<T> {
        if !self.items.iter().any(|item| item.key == key) {
            let name = if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) };
            report.add(self.at, format!("{name}: is missing; write it as in {key} = {example}"));
        }
        self.read(key, report, convert)
    }

    /// Take a list out and convert what is in it; bad ones are reported and left out. None when it is absent.
    pub(crate) fn list<T>(
        &mut self,
        key: &'static str,
        report: &mut Report<'a>,
        mut convert: impl FnMut(&Item<'a>, &mut Report<'a>) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let list = self.take(key)?;
        let DeValue::Array(values) = list.value else {
            report.item(&list, format!("{} is not a list; write [{}]", list.shown, list.shown));
            return Some(Vec::new());
        };
        let items = values.into_iter().map(|value| {
            let (at, shown) = (value.span().start, report.shown(value.get_ref(), value.span()));
            Item { name: list.name.clone(), key: list.key.clone(), at, shown, value: value.into_inner() }
        });
        let items: Vec<Item<'a>> = items.collect();
        let mut converted = Vec::new();
        for item in items {
            match convert(&item, report) {
                Ok(value) => converted.push(value),
                Err(text) => report.item(&item, text),
            }
        }
        Some(converted)
    }

    /// Take a table out; none when it is absent or no table, which is reported.
    pub(crate) fn table(&mut self, key: &'static str, report: &mut Report<'a>) -> Option<Table<'a>> {
        let item = self.take(key)?;
        let table = item.as_table(report);
        if table.is_none() {
            report.item(&item, format!("{} is not a table; write [{}] and its keys below", item.shown, item.name));
        }
        table
    }

    /// Everything that is left, in the order of the file. For tables whose keys are free.
    pub(crate) fn into_items(self) -> Vec<Item<'a>> {
        self.items
    }

    /// Report every key that was not asked for.
    pub(crate) fn finish(self, report: &mut Report<'a>) {
        for item in &self.items {
            let guess = nearest(&item.key, &self.asked).map(|key| format!("did you mean {key}? "));
            let guess = guess.unwrap_or_default();
            report.item(item, format!("unknown key; {guess}allowed here: {}", self.asked.join(", ")));
        }
    }
}

impl<'a> Item<'a> {
    /// The table that this is, if it is one.
    pub(crate) fn as_table(&self, report: &Report<'a>) -> Option<Table<'a>> {
        match &self.value {
            DeValue::Table(entries) => Some(Table::new(self.name.clone(), Some(self.at), entries.clone(), report)),
            _ => None,
        }
    }
}

/// The allowed key that was probably meant: at most a third of it is different.
fn nearest(written: &str, allowed: &[&'static str]) -> Option<&'static str> {
    // Bounded, as the work grows with the product of the lengths.
    let written: Vec<char> = written.chars().take(QUOTED).map(|c| if c == '-' { '_' } else { c }).collect();
    let distances = allowed.iter().map(|key| (edits(&written, key), *key));
    distances.filter(|(edits, key)| edits * 3 <= key.len()).min().map(|(_, key)| key)
}

/// Letters to insert, remove or replace (Levenshtein).
fn edits(written: &[char], key: &str) -> usize {
    let mut row: Vec<usize> = (0..=written.len()).collect();
    for (index, wanted) in key.chars().enumerate() {
        let mut next = vec![index + 1];
        for ((letter, above), left_above) in written.iter().zip(row.iter().skip(1)).zip(&row) {
            let replaced = left_above + usize::from(*letter != wanted);
            let left = next.last().copied().unwrap_or_default();
            next.push(replaced.min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_guessed() {
        let allowed = ["memory", "execution", "ping_interval", "ping_timeout"];
        assert_eq!(nearest("memry", &allowed), Some("memory"));
        assert_eq!(nearest("ping-interval", &allowed), Some("ping_interval"));
        assert_eq!(nearest("Memory", &allowed), Some("memory"));
        assert_eq!(nearest("fuel", &allowed), None);
        assert_eq!(nearest("", &allowed), None);
    }
}
