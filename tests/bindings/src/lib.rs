//! Keeps the checked-in bindings equal to what the WIT files say; `WHIMBREL_BLESS=1` rewrites them.

#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "the rule that only cli reads the environment is the host's")]

use std::path::Path;

use wit_bindgen_core::{Files, WorldGenerator, wit_parser::Resolve};
use wit_bindgen_rust::Opts;

#[test]
fn the_sdk_has_fresh_bindings() {
    check("whimbrel:sdk/handler", "guest-sdk/src/bindings.rs", |opts| {
        opts.export_macro_name = Some("__export_bindings".to_owned());
    });
}

#[test]
fn the_sdk_has_fresh_bindings_for_lifecycle() {
    check("whimbrel:sdk/lifecycle", "guest-sdk/src/lifecycle_bindings.rs", |opts| {
        opts.export_macro_name = Some("__export_lifecycle_bindings".to_owned());
    });
}

#[test]
fn the_minimal_guest_has_fresh_bindings() {
    check("whimbrel:websocket/websocket-handler", "tests/guests/bindings/minimal.rs", |_| {});
}

/// Generates the bindings of a world and compares them with a file of the repository.
fn check(world: &str, file: &str, adjust: impl FnOnce(&mut Opts)) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut resolve = Resolve::default();
    let (contract, _) = resolve.push_path(root.join("wit")).expect("the WIT files can be read");
    let sdk = resolve.push_str("worlds.wit", include_str!("worlds.wit")).expect("the SDK's worlds can be read");
    let world = resolve.select_world(&[contract, sdk], Some(world)).expect("the world exists");

    let mut opts = Opts {
        format: true,
        pub_export_macro: true,
        generate_all: true,
        generate_unused_types: true,
        additional_derive_attributes: vec!["PartialEq".to_owned()],
        ..Opts::default()
    };
    adjust(&mut opts);
    let mut files = Files::default();
    opts.build().generate(&mut resolve, world, &mut files).expect("bindings are generated");
    let (_, text) = files.iter().next().expect("one file is generated");

    let path = root.join(file);
    if std::env::var_os("WHIMBREL_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("the folder can be made");
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("{file}: {error}"));
    }
    let found = std::fs::read(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
    assert!(found == text, "{file} is older than the WIT files; run: WHIMBREL_BLESS=1 cargo test -p bindings");
}
