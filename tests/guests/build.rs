//! Builds every guest in `examples` for wasm32-wasip2, assembles every one in `wat`, and writes a constant with its path
//! for each.
//!
//! The guests have a target folder of their own, the same for every profile and command: in OUT_DIR, clippy and test
//! would each build all of them again.

mod assemble;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "wasm32-wasip2";
/// Set for the inner build, in which this script runs too.
const INNER: &str = "WHIMBREL_BUILDING_GUESTS";
/// What cargo sets for this script and the guests must not inherit: flags and wrappers of the host's build.
const NOT_FOR_GUESTS: [&str; 6] = [
    "CARGO_ENCODED_RUSTFLAGS",
    "RUSTFLAGS",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "CARGO_BUILD_TARGET",
    "LLVM_PROFILE_FILE",
];

fn main() {
    println!("cargo::rerun-if-env-changed={INNER}");
    let package = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo names the package's folder"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo names the output folder")).join("guests.rs");
    if env::var_os(INNER).is_some() {
        fs::write(out, "").expect("the output folder can be written");
        return;
    }
    let root = package.join("../..").canonicalize().expect("the package lies in tests/guests of the repository");
    for input in ["tests/guests", "guest-sdk/src", "guest-sdk/Cargo.toml", "examples/echo/src", "wit"] {
        println!("cargo::rerun-if-changed={}", root.join(input).display());
    }
    install_target();
    let folder = root.join("target/guests");
    build(&root, &folder);
    let assembled = assemble::all(&root, &package.join("wat"), &folder.join("wat"));
    let text = constants(&package, &folder) + &assembled;
    fs::write(out, text).expect("the output folder can be written");
}

/// Without rustup nothing is done: the build then tells what is missing.
fn install_target() {
    let installed = Command::new("rustup").args(["target", "list", "--installed"]).output();
    let is_missing = installed.is_ok_and(|it| !String::from_utf8_lossy(&it.stdout).lines().any(|line| line == TARGET));
    if is_missing {
        let added = Command::new("rustup").args(["target", "add", TARGET]).status();
        assert!(added.is_ok_and(|it| it.success()), "the guests need: rustup target add {TARGET}");
    }
}

fn build(root: &Path, folder: &Path) {
    let mut cargo = Command::new(env::var_os("CARGO").expect("cargo names itself"));
    cargo.args(["build", "--package", "test-guests", "--examples", "--release", "--target", TARGET]);
    cargo.arg("--target-dir").arg(folder).current_dir(root).env(INNER, "1");
    for name in NOT_FOR_GUESTS {
        cargo.env_remove(name);
    }
    let output = cargo.output().expect("cargo can be started");
    assert!(
        output.status.success(),
        "the guests do not build for {TARGET} (rustup target add {TARGET}?):\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// `pub const OPEN_FAILS: &str = "…/open_fails.wasm";` for each file in `examples`.
fn constants(package: &Path, folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(package.join("examples")).expect("the folder with the guests can be read") {
        let name = entry.expect("the folder with the guests can be read").path();
        let name = name.file_stem().and_then(|it| it.to_str()).expect("guests have plain names").to_owned();
        let wasm = folder.join(TARGET).join("release/examples").join(format!("{name}.wasm"));
        assert!(wasm.is_file(), "no {}: is there an [[example]] for it in tests/guests/Cargo.toml?", wasm.display());
        text += &constant(&format!("examples/{name}.rs"), &name, &wasm);
    }
    text
}

fn constant(source: &str, name: &str, wasm: &Path) -> String {
    let upper = name.to_uppercase();
    format!("/// The guest `tests/guests/{source}`.\npub const {upper}: &str = {wasm:?};\n")
}
