//! The contract's WIT files, which the program carries: for authors, for bindings, and for components made of core modules.

use anyhow::Context;
use wit_parser::{PackageId, Resolve, SourceMap};

macro_rules! wit_files {
    ($($name:literal),+ $(,)?) => { &[$(($name, include_str!(concat!("../../../wit/", $name)))),+] };
}

/// Names and texts of the files.
pub(crate) const FILES: &[(&str, &str)] = wit_files![
    "connection.wit",
    "fit.wit",
    "handler.wit",
    "lifecycle.wit",
    "topics.wit",
    "types.wit",
    "upgrade.wit",
    "world.wit",
];

/// The optional exports: whoever exports one of their functions exports all of it.
const OPTIONAL: [&str; 3] = ["upgrade", "lifecycle", "fit"];

/// The contract, parsed.
pub(crate) fn resolve() -> anyhow::Result<(Resolve, PackageId)> {
    let mut resolve = Resolve::default();
    let mut files = SourceMap::default();
    for (name, text) in FILES {
        files.push_str(name, *text);
    }
    let group = files.parse().map_err(|(_, error)| error).context("the contract cannot be parsed")?;
    let package = resolve.push_group(group).context("the contract cannot be resolved")?;
    Ok((resolve, package))
}

/// The text of a world with all that a guest may import and what it exports, told from the names of its core exports.
pub(crate) fn world_for<'a>(exports: impl Iterator<Item = &'a str> + Clone) -> String {
    let mut world = format!("package whimbrel:guest;\nworld guest {{\n  include {};\n", interface("websocket-handler"));
    for name in OPTIONAL.map(interface) {
        let prefix = format!("{name}#");
        if exports.clone().any(|export| export.starts_with(&prefix)) {
            world += &format!("  export {name};\n");
        }
    }
    world + "}\n"
}

/// `whimbrel:websocket/handler@0.1.0` for `handler`.
fn interface(name: &str) -> String {
    format!("whimbrel:websocket/{name}@0.1.0")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{FILES, resolve, world_for};

    #[test]
    fn every_file_of_the_contract_is_embedded() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
        let mut names: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(FILES.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names);
    }

    #[test]
    fn a_world_is_what_is_exported() {
        let exports = ["memory", "whimbrel:websocket/upgrade@0.1.0#upgrade"];
        let text = world_for(exports.into_iter());
        assert!(text.contains("export whimbrel:websocket/upgrade@0.1.0;") && !text.contains("lifecycle"), "{text}");
        let (mut resolve, _) = resolve().unwrap();
        let package = resolve.push_str("guest.wit", &text).unwrap();
        resolve.select_world(&[package], None).unwrap();
    }
}
