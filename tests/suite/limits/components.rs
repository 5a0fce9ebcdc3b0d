//! What is no component, or does not fit or start, is refused when the host starts, with a message that names it.

use std::fs::File;

use crate::support::host::Ended;
use crate::support::{TestHost, guests};

/// A host that serves this component only; it must not start, and its complaints must have these parts.
async fn is_refused(component: &str, parts: &[&str]) {
    check(TestHost::serving(component).fails().await, parts);
}

#[track_caller]
fn check(ended: Ended, parts: &[&str]) {
    assert_eq!(ended.status.code(), Some(2), "{}", ended.log);
    assert!(!ended.stdout.contains("listening"), "{}", ended.stdout);
    assert!(!ended.log.contains("panicked at host/"), "{}", ended.log);
    for part in parts {
        assert!(ended.log.contains(part), "no {part:?} in\n{}", ended.log);
    }
}

#[tokio::test]
async fn a_missing_file() {
    is_refused("nowhere.wasm", &["guest/whimbrel.toml: component ", "guest/nowhere.wasm does not exist"]).await;
}

#[tokio::test]
async fn a_component_over_64_mib() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("large.wasm");
    // Sparse: it has the size without the bytes.
    File::create(&path).and_then(|file| file.set_len((64 << 20) + 1)).expect("the file can be made");
    is_refused(path.to_str().expect("a plain path"), &["large.wasm: a component of 64.0 MiB", "at most 64.0 MiB"])
        .await;
}

#[tokio::test]
async fn another_version_of_the_contract() {
    let parts = ["whimbrel:websocket/handler@0.0.9", "whimbrel:websocket/handler@0.1.0", "whimbrel wit"];
    is_refused(guests::OLDER_CONTRACT, &parts).await;
}

#[tokio::test]
async fn what_is_no_component() {
    let component = std::fs::read(guests::MINIMAL).expect("the guest is built");
    for (content, part) in [
        (b"\0asm\x01\0\0\0".to_vec(), "a core module, not a component; build it for wasm32-wasip2"),
        (b"\x7fELF, and no component at all".to_vec(), r#"it begins with "\x7fELF", and WebAssembly with "\x00asm""#),
        (b"(component)".to_vec(), r#"not a component: it begins with "(com""#),
        (b"".to_vec(), "an empty file, not a component"),
        (b"\0a".to_vec(), "not a component that can be compiled"),
        (component[..component.len() / 2].to_vec(), "not a component that can be compiled"),
    ] {
        let builder = TestHost::serving("bad.wasm").file("guest/bad.wasm", content);
        let ended = builder.fails().await;
        assert_eq!(ended.log.lines().count(), 1, "{}", ended.log);
        check(ended, &["guest/bad.wasm: ", part]);
    }
}

#[tokio::test]
async fn worlds_that_do_not_fit_are_all_named() {
    let ended = TestHost::serving(guests::NO_HANDLER)
        .name("first")
        .route("/first")
        .and_serving("second", guests::NEEDS_HTTP)
        .route("/second")
        .and_serving("third", guests::MINIMAL)
        .route("/third")
        .fails()
        .await;
    check(
        ended,
        &[
            "no_handler.wasm: missing export whimbrel:websocket/handler@0.1.0; the component exports nothing",
            "needs_http.wasm: imports that this host does not offer: wasi:http/types@0.2.",
            "offered are whimbrel:websocket/types@0.1, whimbrel:websocket/connection@0.1",
        ],
    );
}

#[tokio::test]
async fn a_start_that_does_not_end() {
    let ended = TestHost::serving(guests::SPIN_START).limit("start_time", "200ms").fails().await;
    check(ended, &["deployment \"guest\": an instance did not start: limits.start_time: 200ms"]);
}

#[tokio::test]
async fn more_memory_at_the_start_than_is_allowed() {
    let ended = TestHost::serving(guests::MINIMAL).limit("memory", "64KiB").fails().await;
    check(ended, &["deployment \"guest\": an instance did not start: limits.memory: ", "64.0 KiB allowed"]);
}

#[tokio::test]
async fn an_address_in_use_is_a_failure_and_no_mistake() {
    let first = TestHost::serving(guests::MINIMAL).start().await;
    let ended = TestHost::serving(guests::MINIMAL).listen(first.addr()).fails().await;
    assert_eq!(ended.status.code(), Some(1), "{}", ended.log);
    assert!(ended.log.contains(&format!("cannot listen on {}", first.addr())), "{}", ended.log);
    assert_eq!(ended.log.lines().count(), 1, "{}", ended.log);
    first.stop().await;
}
