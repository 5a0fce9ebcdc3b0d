//! Components that no host should load: each is refused, and the reason named.

use std::process::Stdio;

use tokio::process::Command;

use super::host;
use crate::support::host::WHIMBREL;
use crate::support::{guests, within};

async fn is_refused(component: &str, reason: &str) {
    let ended = host(component).fails().await;
    assert_eq!(ended.status.code(), Some(2), "{}", ended.log);
    assert!(!ended.log.contains("panicked"), "{}", ended.log);
    assert!(ended.log.contains(reason), "no {reason:?} in\n{}", ended.log);
}

#[tokio::test]
async fn g07_a_hundred_memories_tables_or_modules() {
    is_refused(guests::MANY_MEMORIES, "more memories in a module than any host allows: ").await;
    is_refused(guests::MANY_TABLES, "more tables in a module than any host allows: ").await;
    is_refused(guests::MANY_CORES, "more than the host's ceiling of limits.core_instances: ").await;
}

#[tokio::test]
async fn g29_features_that_no_guest_needs() {
    is_refused(guests::SHARED_MEMORY, "threads").await;
    is_refused(guests::ATOMIC, "threads").await;
    is_refused(guests::MEMORY64, "memory64").await;
    is_refused(guests::GARBAGE_COLLECTED, "gc").await;
}

#[tokio::test]
async fn g29_imports_that_are_not_offered() {
    is_refused(guests::NEEDS_FILES, "imports that this host does not offer: evil:host/files@1.0.0; offered are ").await;
}

#[tokio::test]
async fn g31_precompiled_components() {
    let component = std::fs::read(guests::MINIMAL).expect("the guest is built");
    let engine = wasmtime::Engine::default();
    let machine_code = engine.precompile_component(&component).expect("wasmtime compiles it");
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for name in ["a.cwasm", "a.wasm"] {
        let path = folder.path().join(name);
        std::fs::write(&path, &machine_code).expect("the file can be written");
        // As a manifest's component, and as an argument.
        is_refused(path.to_str().expect("a plain path"), "precompiled machine code, which nothing can check").await;
        let mut serve = Command::new(WHIMBREL);
        serve.arg("serve").args(["--listen", "127.0.0.1:0"]).arg(&path).stdin(Stdio::null()).kill_on_drop(true);
        let output = within("the host to end", serve.output()).await.expect("the host can be started");
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{log}");
        assert!(log.contains("precompiled machine code, which nothing can check"), "{log}");
    }
}
