//! Putting TOML texts together: keys of the top level must stand before the first table.

/// A TOML text in the making.
#[derive(Default)]
pub(crate) struct Toml {
    keys: String,
    tables: String,
}

impl Toml {
    /// Adds lines; those from the first table header on go behind all keys of the top level.
    pub(crate) fn add(&mut self, text: &str) {
        let text = format!("{}\n", text.trim());
        let table = if text.starts_with('[') { Some(0) } else { text.find("\n[").map(|at| at + 1) };
        let (keys, tables) = text.split_at(table.unwrap_or(text.len()));
        self.keys.push_str(keys);
        self.tables.push_str(tables);
    }

    /// Adds a key of the top level; the value is written as [`value`] writes it.
    pub(crate) fn set(&mut self, key: &str, text: &str) {
        self.add(&format!("{key} = {}", value(text)));
    }

    pub(crate) fn text(&self) -> String {
        format!("{}{}", self.keys, self.tables)
    }
}

/// Numbers and booleans as they are, all else as a string.
pub(crate) fn value(text: &str) -> String {
    let is_plain = text.parse::<i64>().is_ok() || text.parse::<bool>().is_ok();
    if is_plain { text.to_owned() } else { format!("{text:?}") }
}

/// A table with these keys, their values as TOML; nothing when there are none.
pub(crate) fn table(name: &str, entries: &[(String, String)]) -> String {
    if entries.is_empty() {
        return String::new();
    }
    let lines = entries.iter().map(|(key, text)| format!("{key} = {text}\n"));
    format!("[{name}]\n{}", lines.collect::<String>())
}
