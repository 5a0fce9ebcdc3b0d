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

/// What both compilers are told: small code, and names for backtraces, which zig has with debug information only. The last
/// step leaves that out again.
const FLAGS: &[&str] = &["-Os", "-g", "-Wall"];
const INCLUDE: &[&str] = &["-Iwhimbrel"];
/// What both linkers are told: a library for the host to call. zig takes a stack of 16 MiB otherwise, of which each instance
/// would have its own.
const LINK: [&str; 2] = ["-mexec-model=reactor", "-Wl,-z,stack-size=262144"];

/// What differs between C and C++.
pub(super) struct Dialect {
    pub(super) title: &'static str,
    /// What makes zig and clang compile it.
    pub(super) zig: &'static [&'static str],
    pub(super) clang: &'static [&'static str],
    /// How its sources end.
    pub(super) extensions: &'static [&'static str],
    /// Whether sources in C are compiled beside them.
    pub(super) c_too: bool,
}

/// Compile all sources of the folder, of `src` and of `whimbrel` in it, and make a component of what was linked.
pub(super) async fn recipe(dialect: &Dialect, project: &Project<'_>) -> anyhow::Result<Vec<Step>> {
    let (place, compiler) = require(dialect.title, COMPILERS, project.dir).await?;
    let is_zig = place == 0;
    let core = project.beside_component("core.wasm")?;
    let mut inputs = sources(dialect.extensions, project.dir)?;
    let mut steps = Vec::new();
    if dialect.c_too {
        for source in sources(&["c"], project.dir)? {
            let object = core.with_file_name(source.with_extension("o").file_name().unwrap_or_default());
            let first: &[&str] = if is_zig { &["cc"] } else { &[] };
            let paths = [OsString::from("-c"), source.into(), "-o".into(), object.clone().into()];
            steps.push(compiler.run(words(&[first, target(is_zig), FLAGS, INCLUDE]).into_iter().chain(paths)));
            inputs.push(object);
        }
    }
    let first = if is_zig { dialect.zig } else { dialect.clang };
    let arguments = words(&[first, target(is_zig), FLAGS, &LINK, stack_first(is_zig), INCLUDE, &["-o"]]).into_iter();
    let paths = std::iter::once(core.clone()).chain(inputs).map(OsString::from);
    steps.push(compiler.run(arguments.chain(paths)));
    steps.push(Step::Componentize { core });
    Ok(steps)
}

fn words(lists: &[&[&str]]) -> Vec<OsString> {
    lists.concat().into_iter().map(Into::into).collect()
}

fn target(is_zig: bool) -> &'static [&'static str] {
    if is_zig { &["-target", "wasm32-wasi"] } else { &[TARGET] }
}

/// With the stack first an overflow traps instead of writing over data; zig's linker does that by itself.
fn stack_first(is_zig: bool) -> &'static [&'static str] {
    if is_zig { &[] } else { &["-Wl,--stack-first"] }
}

/// Relative to the folder, sorted.
fn sources(extensions: &[&str], dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut sources = Vec::new();
    for folder in ["", "src", "whimbrel"] {
        let path = dir.join(folder);
        if !path.is_dir() {
            continue;
        }
        for entry in path.read_dir().with_context(|| format!("failed to read {}", path.display()))? {
            let name = PathBuf::from(entry?.file_name());
            if name.extension().is_some_and(|end| extensions.iter().any(|known| end == *known)) {
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

    use super::sources;

    #[test]
    fn all_sources_of_a_project_are_compiled() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["handler.c", "handler.h", "src/room.c", "whimbrel/bindings.c", "target/old.c", "notes.cpp"] {
            let file = folder.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        }
        let found = sources(&["c"], folder.path()).unwrap();
        assert_eq!(found, ["handler.c", "src/room.c", "whimbrel/bindings.c"].map(PathBuf::from));
        assert!(found.iter().all(|path| path.is_relative() && path != Path::new("")));
    }
}
