//! Handlers that fail: an error result, a trap, in each of their functions; and what of it the log tells.

use crate::support::host::Builder;
use crate::support::{Client, TestHost, guests};

fn probe() -> Builder {
    TestHost::serving(guests::PROBE)
}

#[tokio::test]
async fn an_error_closes_with_1011_and_the_instance_lives_on() {
    let host = probe().start().await;
    let mut client = Client::connect(&host, "/").await;
    assert_eq!(client.ask("count").await, "1");
    client.text("fail of \u{1b}[31m purpose").await;
    assert_eq!(client.closed().await, Some((1011, "the handler failed".to_owned())));
    // Told by the same instance: it remembers its messages.
    host.wait_log("event close id=1 code=1011 reason=\"the handler failed\" cause=guest-error messages=2").await;
    let line = host.wait_log("the handler failed: ").await;
    for part in ["WARN", "of \\u{1b}[31m purpose", "deployment=\"guest\"", "connection=1", "function=\"on-message\""] {
        assert!(line.contains(part), "no {part:?} in {line}");
    }
    host.stop().await;
}

#[tokio::test]
async fn an_error_drops_the_messages_behind_it() {
    let host = probe().start().await;
    let mut client = Client::connect(&host, "/").await;
    for command in ["sleep 200\nfail", "print never"] {
        client.text(command).await;
    }
    client.closed_with(1011).await;
    host.wait_log("cause=guest-error messages=1 ").await;
    assert!(!host.stop().await.contains(" never "));
}

#[tokio::test]
async fn a_trap_closes_with_1011_and_costs_nobody_else() {
    let host = probe().start().await;
    let mut other = Client::connect(&host, "/").await;
    assert_eq!(other.ask("id").await, "1");
    let mut client = Client::connect(&host, "/").await;
    client.text("panic it is \u{1b}[31m over").await;
    client.text("print never").await;
    assert_eq!(client.closed().await, Some((1011, "the handler trapped".to_owned())));
    assert_eq!(other.ask("count").await, "2");
    other.close(1000, "").await;
    host.wait_log("event close id=1 ").await;
    let log = host.stop().await;
    assert!(!log.contains("event close id=2"), "a trapped instance was called:\n{log}");
    assert!(!log.contains(" never "), "a trapped instance was called:\n{log}");
}

#[tokio::test]
async fn a_trap_is_logged_with_message_place_and_backtrace() {
    let host = probe().start().await;
    let mut client = Client::connect(&host, "/").await;
    client.text("panic it is \u{1b}[31m over").await;
    client.closed_with(1011).await;
    host.wait_log("function=\"on-message\"").await;
    let log = host.stop().await;
    for part in [
        "panicked at tests/guests/examples/probe.rs:",
        "it is \\u{1b}[31m over",
        "ERROR the handler trapped: wasm trap: wasm `unreachable` instruction executed",
        "rust_panic",
        "probe::Probe",
        "whimbrel:websocket/handler@0.1.0#on-message",
        "kind=\"fault\"",
        "deployment=\"guest\" connection=1",
    ] {
        assert!(log.contains(part), "no {part:?} in\n{log}");
    }
    assert!(!log.contains('\u{1b}'), "a guest steers the terminal:\n{log}");
}

#[tokio::test]
async fn each_limit_of_a_guest_is_a_trap_that_names_it() {
    let host = probe().limit("memory", "16MiB").limit("execution", "50ms").limit("event_time", "1s").start().await;
    for (command, kind, text) in [
        ("spin", "execution", "limits.execution: 50ms of execution passed in one event"),
        ("sleep 60000", "time", "limits.event_time: 1s passed in one event, waiting included"),
        ("grow 32", "memory", "limits.memory: "),
        ("recurse", "fault", "wasm trap: out of bounds memory access"),
    ] {
        let mut client = Client::connect(&host, "/").await;
        client.text(command).await;
        client.closed_with(1011).await;
        host.wait_log(&format!("kind=\"{kind}\"")).await;
        host.wait_log(&format!("the handler trapped: {text}")).await;
    }
    let log = host.stop().await;
    assert!(!log.contains("event close"), "a trapped instance was called:\n{log}");
}

#[tokio::test]
async fn a19_a_connection_that_did_not_open_is_not_told_to_close() {
    for (guest, reason, text) in [
        (guests::OPEN_FAILS, "the handler failed", "the handler failed: open failed on purpose"),
        (guests::OPEN_PANICS, "the handler trapped", "open panicked on purpose"),
    ] {
        let host = TestHost::serving(guest).start().await;
        let client = Client::connect(&host, "/").await;
        assert_eq!(client.closed().await, Some((1011, reason.to_owned())));
        host.wait_log("function=\"open\"").await;
        host.wait_log(text).await;
        let log = host.stop().await;
        assert!(!log.contains("event close"), "{log}");
    }
}

#[tokio::test]
async fn a_trap_in_on_close_is_logged_and_nothing_more() {
    let host = TestHost::serving(guests::CLOSE_PANICS).start().await;
    let client = Client::connect(&host, "/").await;
    assert_eq!(client.close(1000, "bye").await.map(|(code, _)| code), Some(1000));
    host.wait_log("close of 1 panicked on purpose").await;
    host.wait_log("function=\"on-close\"").await;
    let client = Client::connect(&host, "/").await;
    assert_eq!(client.close(1000, "bye").await.map(|(code, _)| code), Some(1000));
    host.stop().await;
}
