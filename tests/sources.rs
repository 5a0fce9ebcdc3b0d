//! The repository's own files, read as text.

use std::fs;
use std::path::{Path, PathBuf};

/// One file.
pub(crate) struct Source {
    /// From the repository's root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The repository's root.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All files with one of these endings (empty: without an ending) that are not made by a tool, in the order of their
/// paths.
pub(crate) fn sources(endings: &[&str]) -> impl Iterator<Item = Source> {
    let mut found = Vec::new();
    walk(&repository(), "", &mut found);
    found.retain(|path| endings.contains(&ending(path)) && !is_generated(path));
    found.sort();
    assert!(!found.is_empty(), "no files end with {endings:?}");
    found.into_iter().map(|path| {
        let bytes = fs::read(repository().join(&path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        Source { text: String::from_utf8_lossy(&bytes).into_owned(), path }
    })
}

impl Source {
    /// The lines of the file.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.lines()
    }

    /// The lines that are not comments, with their numbers from 1.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = self.lines().enumerate().map(|(index, line)| (index + 1, line));
        numbered.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// `path:line: has WORD` for each line of code with one of these words.
    pub(crate) fn lines_with(&self, words: &[&str]) -> Vec<String> {
        let found = self.code().filter_map(|(number, line)| {
            let word = words.iter().find(|word| line.contains(**word))?;
            Some(format!("{}:{number}: has {word}", self.path))
        });
        found.collect()
    }

    /// Which of the library's modules the file belongs to: the first part of its path in host/src.
    pub(crate) fn module(&self) -> &str {
        let path = self.path.strip_prefix("host/src/").unwrap_or(&self.path);
        let first = path.split('/').next().unwrap_or(path);
        first.strip_suffix(".rs").unwrap_or(first)
    }
}

fn walk(root: &Path, folder: &str, found: &mut Vec<String>) {
    let entries = fs::read_dir(root.join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    for entry in entries {
        let entry = entry.expect("the repository can be read");
        let name = entry.file_name().into_string().expect("files have plain names");
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        // Hidden by name, but the project's own.
        if (name.starts_with('.') && name != ".ci") || matches!(&*name, "target" | "node_modules" | "__pycache__") {
            continue;
        }
        match entry.file_type().expect("the repository can be read").is_dir() {
            true => walk(root, &path, found),
            false => found.push(path),
        }
    }
}

fn ending(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or("", |(_, ending)| ending)
}

fn is_generated(path: &str) -> bool {
    matches!(path, "guest-sdk/src/bindings.rs" | "guest-sdk/src/lifecycle_bindings.rs")
        || path.starts_with("tests/guests/bindings/")
}
