//! Rust: cargo, its target wasm32-wasip2, whose output is a component, and the SDK.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, bail};

use super::programs::{Program, command};
use super::recipe::{Project, Run, Step};
use super::{File, Profile};
use crate::cli::terminal;

/// The target of guests: std Rust whose output is a component.
pub(super) const TARGET: &str = "wasm32-wasip2";

/// How a crate is built. Written into a manifest it means the same as no `build` at all.
pub(crate) const CARGO_BUILD: &str = "cargo build --release --target wasm32-wasip2";

pub(super) const PROFILE: Profile = Profile {
    title: "Rust",
    needs: &[&[Program {
        name: "cargo",
        calls: &[&["cargo"]],
        version: &["--version"],
        minimum: &[1, 85],
        install: "https://rustup.rs",
    }]],
    template: &[
        ("Cargo.toml", include_str!("../../../templates/rust/Cargo.toml.txt")),
        ("src/lib.rs", include_str!("../../../templates/rust/lib.rs.txt")),
        ("whimbrel.toml", include_str!("../../../templates/rust/whimbrel.toml.txt")),
        ("README.md", include_str!("../../../templates/rust/README.md.txt")),
        (".gitignore", include_str!("../../../templates/rust/gitignore.txt")),
    ],
    support: SDK,
    wit: false,
    project_files: &[&["Cargo.toml"]],
};

macro_rules! sdk_files {
    ($($path:literal),+ $(,)?) => {
        &[$((concat!("whimbrel-sdk/", $path), include_str!(concat!("../../../../guest-sdk/", $path)))),+]
    };
}

/// The SDK as it is, for it is not on a registry.
const SDK: &[File] = sdk_files![
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

/// What cargo or rustc do not accept as a crate's name, or not beside the SDK, though a manifest would.
pub(super) fn reserves(name: &str) -> bool {
    const NAMES: &[&str] =
        &["alloc", "build", "core", "deps", "examples", "incremental", "std", "test", "whimbrel-sdk"];
    // Rust reference, keywords; edition 2024.
    const KEYWORDS: &str = "abstract as async await become box break const continue crate do dyn else enum extern false \
                            final fn for gen if impl in let loop macro match mod move mut override priv pub ref return \
                            self static struct super trait true try type typeof unsafe unsized use virtual where while \
                            yield";
    NAMES.contains(&name) || KEYWORDS.split_whitespace().any(|keyword| keyword == name)
}

/// Installs the target when rustup can.
pub(super) async fn recipe(project: &Project<'_>) -> anyhow::Result<Vec<Step>> {
    ensure_target(project.dir).await?;
    // A target folder from the user's environment would leave an old component where the manifest looks.
    let target_dir = target_dir(project.component).map(|dir| ("CARGO_TARGET_DIR", dir.into()));
    let command = CARGO_BUILD.split_whitespace().map(Into::into).collect();
    Ok(vec![Step::Run(Run { command, environment: target_dir.into_iter().collect() })])
}

/// Where cargo must build so that the component lands where the manifest says; none when it cannot.
fn target_dir(component: &Path) -> Option<&Path> {
    let release = component.parent()?;
    let target = release.parent().filter(|_| release.ends_with("release"))?;
    target.parent().filter(|_| target.ends_with(TARGET))
}

/// Make sure that guests in `dir` can be built, installing the target when rustup can.
pub(super) async fn ensure_target(dir: &Path) -> anyhow::Result<()> {
    if is_target_installed(dir).await? {
        return Ok(());
    }
    terminal::note(&format!("the Rust target {TARGET} is missing: running rustup target add {TARGET}"));
    let mut rustup = command("rustup", dir);
    let added = rustup.args(["target", "add", TARGET]).stdout(std::io::stderr()).status().await;
    match added {
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(
            "the Rust target {TARGET} is missing, and so is rustup, which could install it; install Rust from \
             https://rustup.rs, or the target from where your Rust came from"
        ),
        added => {
            let status = added.context("failed to run rustup")?;
            anyhow::ensure!(status.success(), "rustup target add {TARGET} failed ({status})");
        }
    }
    anyhow::ensure!(
        is_target_installed(dir).await?,
        "the Rust target {TARGET} is still missing: the rustc on the PATH is not rustup's; install the target from where \
         that rustc came from, or put ~/.cargo/bin first on the PATH"
    );
    Ok(())
}

/// Asks rustc, as guests may be built without rustup.
async fn is_target_installed(dir: &Path) -> anyhow::Result<bool> {
    let mut rustc = command("rustc", dir);
    let printed = rustc.args(["--print", "target-libdir", "--target", TARGET]).output().await;
    let printed = match printed {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("rustc is missing: install Rust from https://rustup.rs")
        }
        printed => printed.context("failed to run rustc")?,
    };
    if !printed.status.success() {
        let reason = String::from_utf8_lossy(&printed.stderr);
        bail!("rustc cannot build for {TARGET} (Rust 1.82 and later can): {}", reason.trim());
    }
    Ok(Path::new(String::from_utf8_lossy(&printed.stdout).trim()).is_dir())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::{SDK, reserves, target_dir};

    #[test]
    fn cargo_builds_where_the_manifest_looks() {
        let component = Path::new("/w/examples/chat/../../target/wasm32-wasip2/release/chat.wasm");
        assert_eq!(target_dir(component), Some(Path::new("/w/examples/chat/../../target")));
        assert_eq!(target_dir(Path::new("/w/chat.wasm")), None);
    }

    #[test]
    fn what_cargo_refuses_is_known() {
        assert!(reserves("fn") && reserves("whimbrel-sdk") && !reserves("chat"));
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
}
