//! What a component was built from, as far as the compiler told, and whether it differs from the one before.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::Context;
use whimbrel::manifest::Manifest;

/// Stands for the bytes of a manifest and its component.
#[derive(PartialEq, Eq)]
pub(super) struct Fingerprint(u64);

impl Fingerprint {
    /// Reads both files.
    pub(super) fn of(manifest: &Manifest) -> anyhow::Result<Self> {
        let mut hasher = DefaultHasher::new();
        for path in [&manifest.path, &manifest.component] {
            let bytes = std::fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
            bytes.hash(&mut hasher);
        }
        Ok(Self(hasher.finish()))
    }
}

/// The sources that cargo noted beside a component, those of path dependencies included; none when it noted none.
pub(super) fn of_component(component: &Path) -> Vec<PathBuf> {
    std::fs::read_to_string(component.with_extension("d")).map(|rules| parse(&rules)).unwrap_or_default()
}

/// The files of a make rule, `component: file file`; a space in a name has a backslash before it.
fn parse(rules: &str) -> Vec<PathBuf> {
    let Some((_, files)) = rules.split_once(": ") else { return Vec::new() };
    let mut names = vec![String::new()];
    let mut characters = files.lines().next().unwrap_or_default().chars();
    while let Some(character) = characters.next() {
        match (character, names.last_mut()) {
            (' ', _) | (_, None) => names.push(String::new()),
            ('\\', Some(name)) => name.extend(characters.next()),
            (character, Some(name)) => name.push(character),
        }
    }
    names.into_iter().filter(|name| !name.is_empty()).map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::parse;

    #[test]
    fn spaces_in_names_are_escaped() {
        let files = parse("/t/chat.wasm: /w/src/lib.rs /w/a\\ b/c.rs\n");
        assert_eq!(files, [PathBuf::from("/w/src/lib.rs"), PathBuf::from("/w/a b/c.rs")]);
        assert!(parse("").is_empty());
    }
}
