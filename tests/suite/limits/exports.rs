//! Optional exports that are not as in the contract, or do not go with the manifest, are refused when the host starts.

use crate::support::{Client, TestHost, guests};

/// A host that serves this component under this scope only; it must not start, and complain with these lines.
async fn is_refused(component: &str, scope: &str, lines: &[&str]) {
    let ended = TestHost::serving(component)
        .name("chat")
        .route("/{room}")
        .limit("start_time", "300ms")
        .manifest(&format!("scope = {scope}"))
        .fails()
        .await;
    assert_eq!(ended.status.code(), Some(2), "{}", ended.log);
    for line in lines {
        assert!(ended.log.lines().any(|it| it.contains(line)), "no {line:?} in\n{}", ended.log);
    }
}

#[tokio::test]
async fn exports_of_other_types_are_all_named() {
    let lines = [
        "missing export whimbrel:websocket/handler@0.1.0; the component exports whimbrel:websocket/lifecycle@0.1.0",
        "export whimbrel:websocket/lifecycle@0.1.0 function snapshot is not of the contract's type: ",
        "missing export whimbrel:websocket/lifecycle@0.1.0 function restore",
        "export whimbrel:websocket/fit@0.1.0 function scopes is not of the contract's type: ",
    ];
    is_refused(guests::MISFITS, "\"connection\"", &lines).await;
}

#[tokio::test]
async fn s09_a_scope_that_a_guest_does_not_fit() {
    let only = "the guest fits only room and shared (it exports whimbrel:websocket/fit)";
    let line = format!("deployment \"chat\": scope = \"connection\": {only}");
    is_refused(guests::FIT_ROOM, "\"connection\"", &[&line]).await;
    let line = format!("deployment \"chat\": scope = \"event\": {only}");
    is_refused(guests::FIT_ROOM, "\"event\"", &[&line]).await;
}

#[tokio::test]
async fn scopes_that_cannot_be_had() {
    let scopes = "deployment \"chat\": whimbrel:websocket/fit function scopes: ";
    for (guest, reason) in [
        (guests::FIT_EMPTY, "names no scope; at least one of connection, room, shared and event is needed"),
        (guests::FIT_TRAPS, "wasm trap: wasm `unreachable` instruction executed"),
        (guests::FIT_SPINS, "limits.start_time: 300ms of execution passed in one event"),
    ] {
        is_refused(guest, "\"connection\"", &[&format!("{scopes}{reason}")]).await;
    }
}

#[tokio::test]
async fn a_guest_is_served_under_a_scope_that_it_fits() {
    let host = TestHost::serving(guests::FIT_ROOM).manifest("scope = { shared = 1 }").start().await;
    let mut client = Client::connect(&host, "/").await;
    assert_eq!(client.ask("hello").await, "hello");
    drop(client);
    host.stop().await;
}
