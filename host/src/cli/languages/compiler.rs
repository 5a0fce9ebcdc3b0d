//! The compilers of C and C++: zig's, which brings the C library along, or clang with the one of WASI.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::programs::{Program, require};
use super::recipe::{Project, Step};

/// Of these one is needed.
pub(super) const COMPILERS: &[Program] = &[ZIG, CLANG];

/// zig, as it is installed by itself or as a Python package.
pub(super) const ZIG: Program = Program {
    name: "zig",
    calls: &[
        &["zig"],
        &["./venv/bin/python-zig"],
        &["./.venv/bin/python-zig"],
        &["python-zig"],
        &["python3", "-m", "ziglang"],
    ],
    version: &["version"],
    minimum: &[0, 13],
    install: "pip install ziglang, or https://ziglang.org/download",
};

/// clang of the WASI SDK or of a distribution. Asked so that it fails where WASI's C library is missing.
const CLANG: Program = Program {
    name: "clang with WASI's C library",
    calls: &[&["$WASI_SDK_PATH/bin/clang"], &["clang"]],
    version: &["-v", TARGET, "-x", "c", "-include", "stdlib.h", "-fsyntax-only", "/dev/null"],
    minimum: &[14],
    install: "apt-get install clang lld wasi-libc libclang-rt-dev-wasm32, or the WASI SDK \
              (https://github.com/WebAssembly/wasi-sdk) with its folder in WASI_SDK_PATH",
};

const TARGET: &str = "--target=wasm32-wasi";

/// What both compilers are told: a library for the host to call, small, with names in its backtraces.
const FLAGS: &[&str] = &["-mexec-model=reactor", "-Os", "-Wall", "-Wl,--strip-debug"];
/// zig takes 16 MiB otherwise, of which each instance would have its own.
const STACK: &str = "-Wl,-z,stack-size=262144";

/// What differs between C and C++.
pub(super) struct Dialect {
    pub(super) title: &'static str,
    /// What makes zig and clang compile it.
    pub(super) zig: &'static [&'static str],
    pub(super) clang: &'static [&'static str],
    /// How its sources end.
    pub(super) extensions: &'static [&'static str],
}

/// Compile all sources of the folder, of `src` and of `whimbrel` in it, and make a component of what was linked.
pub(super) async fn recipe(dialect: &Dialect, project: &Project<'_>) -> anyhow::Result<Vec<Step>> {
    let (place, compiler) = require(dialect.title, COMPILERS, project.dir).await?;
    let core = project.beside_component("core.wasm")?;
    let mut arguments: Vec<OsString> = Vec::new();
    let mut add = |words: &[&str]| arguments.extend(words.iter().map(Into::into));
    match place {
        0 => {
            add(dialect.zig);
            add(&["-target", "wasm32-wasi"]);
        }
        _ => {
            add(dialect.clang);
            // An overflow of the stack traps where the stack comes first; zig's linker does that by itself.
            add(&[TARGET, "-Wl,--stack-first"]);
        }
    }
    add(FLAGS);
    add(&[STACK, "-Iwhimbrel", "-o"]);
    arguments.push(core.clone().into());
    arguments.extend(sources(dialect, project.dir)?.into_iter().map(Into::into));
    Ok(vec![compiler.run(arguments), Step::Componentize { core }])
}

/// Relative to the folder, sorted.
fn sources(dialect: &Dialect, dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut sources = Vec::new();
    for folder in ["", "src", "whimbrel"] {
        let path = dir.join(folder);
        if !path.is_dir() {
            continue;
        }
        for entry in path.read_dir().with_context(|| format!("failed to read {}", path.display()))? {
            let name = PathBuf::from(entry?.file_name());
            if name.extension().is_some_and(|end| dialect.extensions.iter().any(|known| end == *known)) {
                sources.push(Path::new(folder).join(name));
            }
        }
    }
    sources.sort();
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{Dialect, sources};

    #[test]
    fn all_sources_of_a_project_are_compiled() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["handler.c", "handler.h", "src/room.c", "whimbrel/bindings.c", "target/old.c", "notes.cpp"] {
            let file = folder.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        }
        let dialect = Dialect { title: "C", zig: &[], clang: &[], extensions: &["c"] };
        let found = sources(&dialect, folder.path()).unwrap();
        assert_eq!(found, ["handler.c", "src/room.c", "whimbrel/bindings.c"].map(PathBuf::from));
        assert!(found.iter().all(|path| path.is_relative() && path != Path::new("")));
    }
}
