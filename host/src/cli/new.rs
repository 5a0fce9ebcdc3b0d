//! `whimbrel new`: a handler to start from, in any of the languages, complete with what is not on a registry.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};

use crate::cli::exit::Problems;
use crate::cli::languages::{Engine, Language};
use crate::cli::terminal;

/// Write the folder of a new handler that builds and runs as it is
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct NewArgs {
    /// The folder to make; its last part becomes the handler's name (a-z, 0-9 and -)
    #[arg(value_name = "NAME", required_unless_present = "list")]
    path: Option<PathBuf>,

    /// The language to write it in
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    lang: Language,

    /// The JavaScript engine in the component, for javascript and typescript [default: quickjs]
    #[arg(long, value_enum)]
    engine: Option<Engine>,

    /// List the languages, what each needs installed, and whether it was found
    #[arg(long, conflicts_with_all = ["path", "lang", "engine"])]
    list: bool,
}

const HELP: &str = "\
Examples:
  whimbrel new chat && whimbrel dev chat
  whimbrel new chat --lang python
  whimbrel new chat --lang typescript --engine starling
  whimbrel new --list

Exit codes:
  0  written
  1  failed, for example because the folder exists; nothing is left behind
  2  bad usage, for example a bad name";

/// Write the folder, or tell what could be written.
pub(crate) fn run(arguments: &NewArgs) -> anyhow::Result<ExitCode> {
    match &arguments.path {
        Some(path) => make(path, arguments.lang, arguments.engine)?,
        None => list()?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A paragraph per language.
fn list() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for language in Language::value_variants() {
        let mut name = language.name();
        for line in runtime.block_on(language.needs(Path::new("."))) {
            terminal::result(&format!("{name:<12}{line}"))?;
            name.clear();
        }
    }
    Ok(())
}

/// All of the folder or nothing.
fn make(path: &Path, language: Language, engine: Option<Engine>) -> anyhow::Result<()> {
    let name = name(path, language)?;
    if engine.is_some() && !language.has_engines() {
        let language = language.name();
        return Err(Problems::one(format!(
            "--engine: a handler in {language} has none; allowed with javascript and typescript"
        )));
    }
    if path.symlink_metadata().is_ok() {
        bail!("{} exists already; choose another name, or remove it first", path.display());
    }
    // Beside its final place, so that the rename at the end cannot cross file systems.
    let draft = path.with_file_name(format!(".{name}.new-{}", std::process::id()));
    let written = write(&draft, &language.files(name, engine.unwrap_or_default()))
        .and_then(|()| fs::rename(&draft, path).with_context(|| format!("failed to make {}", path.display())));
    if written.is_err() {
        // What went wrong is the first error, not what cannot be removed.
        let _ = fs::remove_dir_all(&draft);
    }
    written?;
    let path = path.display();
    terminal::result(&format!("made {path}"))?;
    terminal::note(&format!("next: whimbrel dev {path}"));
    Ok(())
}

/// The handler's name: the path's last part.
fn name(path: &Path, language: Language) -> anyhow::Result<&str> {
    let shown = path;
    let Some(name) = path.file_name() else {
        return Err(Problems::one(format!("name {shown:?}: give the new folder a name")));
    };
    let name = name.to_str().unwrap_or_default();
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let has_good_ends = name.starts_with(|first: char| first.is_ascii_lowercase()) && !name.ends_with('-');
    if !(1..=63).contains(&name.len()) || !name.bytes().all(is_allowed) || !has_good_ends {
        return Err(Problems::one(format!(
            "name {shown:?}: allowed are 1 to 63 of a-z, 0-9 and -, first a letter, last no -"
        )));
    }
    if language.reserves(name) {
        let title = language.profile().title;
        return Err(Problems::one(format!("name {shown:?}: {title}'s tools keep this name for themselves")));
    }
    Ok(name)
}

fn write(dir: &Path, files: &[(String, String)]) -> anyhow::Result<()> {
    for (path, text) in files {
        let path = dir.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("failed to make {}", parent.display()))?;
        }
        fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Language, name};

    #[test]
    fn names_are_those_that_a_manifest_and_cargo_allow() {
        for good in ["chat", "a", "my-chat2", "some/where/chat"] {
            assert!(name(Path::new(good), Language::Rust).is_ok(), "{good}");
        }
        for bad in
            ["", "..", "/", "Chat", "my_chat", "2chat", "-chat", "chat-", "a b", "fn", "whimbrel-sdk", &"a".repeat(64)]
        {
            assert!(name(Path::new(bad), Language::Rust).is_err(), "{bad}");
        }
        assert!(name(Path::new("fn"), Language::C).is_ok());
    }
}
