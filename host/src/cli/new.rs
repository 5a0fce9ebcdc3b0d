//! `whimbrel new`: a handler to start from, complete with the SDK, as that is not on a registry.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};

use crate::cli::exit::Problems;
use crate::cli::terminal;

/// Write the folder of a new handler that builds and runs as it is
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct NewArgs {
    /// The folder to make; its last part becomes the handler's name (a-z, 0-9 and -)
    #[arg(value_name = "NAME")]
    path: PathBuf,

    /// The language to write it in
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    lang: Language,
}

const HELP: &str = "\
Examples:
  whimbrel new chat
  whimbrel dev chat

Exit codes:
  0  written
  1  failed, for example because the folder exists; nothing is left behind
  2  bad usage, for example a bad name";

#[derive(ValueEnum, Debug, Clone, Copy)]
enum Language {
    /// Rust, with the SDK of this version of whimbrel
    Rust,
}

/// A file's path in the new folder, and its text before the placeholders are filled in.
type Template = (&'static str, &'static str);

const RUST: &[Template] = &[
    ("Cargo.toml", include_str!("../../templates/rust/Cargo.toml.txt")),
    ("src/lib.rs", include_str!("../../templates/rust/lib.rs.txt")),
    ("whimbrel.toml", include_str!("../../templates/rust/whimbrel.toml.txt")),
    ("README.md", include_str!("../../templates/rust/README.md.txt")),
    (".gitignore", include_str!("../../templates/rust/gitignore.txt")),
];

macro_rules! sdk_files {
    ($($path:literal),+ $(,)?) => {
        &[$((concat!("whimbrel-sdk/", $path), include_str!(concat!("../../../guest-sdk/", $path)))),+]
    };
}

/// The SDK as it is.
const SDK: &[Template] = sdk_files![
    "Cargo.toml",
    "src/bindings.rs",
    "src/connection.rs",
    "src/dispatch.rs",
    "src/error.rs",
    "src/guide.md",
    "src/handler.rs",
    "src/lib.rs",
    "src/lifecycle_bindings.rs",
    "src/message.rs",
    "src/request.rs",
    "src/resume.rs",
];

/// What cargo or rustc do not accept, or not beside the SDK, though a manifest would.
const RESERVED: &[&str] = &["alloc", "build", "core", "deps", "examples", "incremental", "std", "test", "whimbrel-sdk"];

/// Write the folder, all of it or nothing.
pub(crate) fn run(arguments: &NewArgs) -> anyhow::Result<ExitCode> {
    let name = name(&arguments.path)?;
    let path = &arguments.path;
    let Language::Rust = arguments.lang;
    if path.symlink_metadata().is_ok() {
        bail!("{} exists already; choose another name, or remove it first", path.display());
    }
    // Beside its final place, so that the rename at the end cannot cross file systems.
    let draft = path.with_file_name(format!(".{name}.new-{}", std::process::id()));
    let written = write(&draft, name)
        .and_then(|()| fs::rename(&draft, path).with_context(|| format!("failed to make {}", path.display())));
    if written.is_err() {
        // What went wrong is the first error, not what cannot be removed.
        let _ = fs::remove_dir_all(&draft);
    }
    written?;
    let path = path.display();
    terminal::result(&format!("made {path}"))?;
    terminal::note(&format!("next: whimbrel dev {path}"));
    Ok(ExitCode::SUCCESS)
}

/// The handler's name: the path's last part.
fn name(path: &Path) -> anyhow::Result<&str> {
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
    if RESERVED.contains(&name) || is_keyword(name) {
        return Err(Problems::one(format!("name {shown:?}: Rust or cargo keep this name for themselves")));
    }
    Ok(name)
}

/// Words of the language, which cannot name a crate (Rust reference, keywords; edition 2024).
fn is_keyword(name: &str) -> bool {
    const KEYWORDS: &str = "abstract as async await become box break const continue crate do dyn else enum extern false \
                            final fn for gen if impl in let loop macro match mod move mut override priv pub ref return \
                            self static struct super trait true try type typeof unsafe unsized use virtual where while \
                            yield";
    KEYWORDS.split_whitespace().any(|keyword| keyword == name)
}

fn write(dir: &Path, name: &str) -> anyhow::Result<()> {
    for (path, text) in RUST.iter().chain(SDK) {
        let path = dir.join(path);
        let text = match path.starts_with(dir.join("whimbrel-sdk")) {
            true => (*text).to_owned(),
            // Cargo names the file after the crate.
            false => text.replace("{{name}}", name).replace("{{file}}", &name.replace('-', "_")),
        };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("failed to make {}", parent.display()))?;
        }
        fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::{SDK, name, write};

    #[test]
    fn names_are_those_that_a_manifest_and_cargo_allow() {
        for good in ["chat", "a", "my-chat2", "some/where/chat"] {
            assert!(name(Path::new(good)).is_ok(), "{good}");
        }
        for bad in
            ["", "..", "/", "Chat", "my_chat", "2chat", "-chat", "chat-", "a b", "fn", "whimbrel-sdk", &"a".repeat(64)]
        {
            assert!(name(Path::new(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_whole_sdk_is_embedded() {
        let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-sdk");
        let mut files = BTreeSet::from(["whimbrel-sdk/Cargo.toml".to_owned()]);
        for entry in std::fs::read_dir(sdk.join("src")).unwrap() {
            let file = entry.unwrap().file_name().into_string().unwrap();
            files.insert(format!("whimbrel-sdk/src/{file}"));
        }
        assert_eq!(SDK.iter().map(|(path, _)| (*path).to_owned()).collect::<BTreeSet<_>>(), files);
    }

    #[test]
    fn the_embedded_sdk_needs_no_workspace_and_no_generator() {
        let (_, text) = SDK.iter().find(|(path, _)| path.ends_with("Cargo.toml")).unwrap();
        assert!(text.contains("[dependencies]") && !text.contains("wit-bindgen-rust"), "{text}");
        assert!(!text.contains("workspace = true"), "{text}");
    }

    #[test]
    fn no_placeholder_is_left() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "my-chat").unwrap();
        let manifest = std::fs::read_to_string(dir.path().join("whimbrel.toml")).unwrap();
        assert!(manifest.contains("release/my_chat.wasm") && manifest.contains("\"/my-chat\""), "{manifest}");
        for file in ["Cargo.toml", "src/lib.rs", "README.md", "whimbrel.toml"] {
            assert!(!std::fs::read_to_string(dir.path().join(file)).unwrap().contains("{{"), "{file}");
        }
    }
}
