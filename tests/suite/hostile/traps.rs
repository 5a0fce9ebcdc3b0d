//! Traps of every kind, in every function, at every moment of a connection's life.

use rustix::process::Signal;

use super::{at, canary, counted, host, metric, stop};
use crate::support::client::refusal;
use crate::support::raw::TEXT;
use crate::support::{Client, Raw, TestHost, guests};

/// A new connection works: it has an instance of its own.
async fn serves_on(host: &TestHost, path: &str) {
    let mut client = Client::connect(host, path).await;
    assert_eq!(client.ask("echo e").await.chars().last(), Some('e'));
    client.close(1000, "").await;
}

#[tokio::test]
async fn g09_recursion_on_the_stack_of_wasm() {
    let host = host(guests::RECURSES).start().await;
    let canary = canary(&host).await;
    for _ in 0..3 {
        let mut client = Client::connect(&host, "/").await;
        client.text("down").await;
        client.closed_with(1011).await;
    }
    host.wait_log_count("kind=\"stack\"", 3).await;
    host.wait_log("the handler trapped: wasm trap: call stack exhausted").await;
    counted(&host, "host.wasm_stack").await;
    canary.finish().await;
    stop(host).await;
}

#[tokio::test]
async fn g09_recursion_on_the_stack_in_memory() {
    let host = host(guests::HOSTILE).limit("execution", "2s").start().await;
    let mut client = Client::connect(&host, "/").await;
    client.text("recurse").await;
    client.closed_with(1011).await;
    host.wait_log("the handler trapped: wasm trap: ").await;
    serves_on(&host, "/").await;
    stop(host).await;
}

#[tokio::test]
async fn g10_every_fault_of_an_instruction() {
    let host = host(guests::FAULTS).start().await;
    let canary = canary(&host).await;
    for (letter, text) in [
        ("u", "wasm `unreachable` instruction executed"),
        ("d", "integer divide by zero"),
        ("m", "out of bounds memory access"),
        ("t", "undefined element: out of bounds table access"),
        ("n", "uninitialized element"),
    ] {
        let mut client = Client::connect(&host, "/").await;
        client.text(letter).await;
        client.closed_with(1011).await;
        host.wait_log(&format!("the handler trapped: wasm trap: {text}")).await;
    }
    host.wait_log_count("kind=\"fault\"", 5).await;
    assert_eq!(metric(&host, "whimbrel_traps_total", "kind=\"fault\"").await, 5.0);
    canary.finish().await;
    stop(host).await;
}

#[tokio::test]
async fn g10_memory_that_realloc_does_not_have() {
    for guest in [guests::REALLOC_LIES, guests::REALLOC_CALLS] {
        let host = host(guest).start().await;
        let mut client = Client::connect(&host, "/").await;
        client.text("a message needs memory").await;
        client.closed_with(1011).await;
        host.wait_log("the handler trapped: ").await;
        stop(host).await;
    }
}

#[tokio::test]
async fn g10_in_upgrade_and_open() {
    let host = host(guests::HOSTILE).start().await;
    let canary = canary(&host).await;
    let response = refusal(Client::try_connect(&host, &at("upgrade", "panic"), &[]).await);
    assert_eq!(response.status(), 500);
    host.wait_log("function=\"upgrade\"").await;
    Client::connect(&host, &at("open", "panic")).await.closed_with(1011).await;
    host.wait_log("function=\"open\"").await;
    serves_on(&host, "/").await;
    canary.finish().await;
    let log = stop(host).await;
    assert_eq!(log.matches("event close").count(), 1, "{log}");
}

#[tokio::test]
async fn g10_while_closing_and_after_the_end() {
    let host = host(guests::HOSTILE).start().await;
    let canary = canary(&host).await;
    // After its own close frame is out, and the peer has not answered it yet.
    let mut raw = Raw::open(&host, "/").await;
    raw.send_frame(TEXT, b"close-then").await;
    assert_eq!(raw.close_frame().await.map(|(code, _)| code), Some(4000));
    raw.send_frame(TEXT, b"panic").await;
    host.wait_log("function=\"on-message\"").await;
    raw.send_close(4000, "").await;
    raw.ended().await;
    // After the peer's close frame, and after a peer that only went.
    let client = Client::connect(&host, &at("close", "panic")).await;
    assert_eq!(client.close(1000, "").await.map(|(code, _)| code), Some(1000));
    host.wait_log_count("function=\"on-close\"", 1).await;
    drop(Client::connect(&host, &at("close", "panic")).await);
    host.wait_log_count("function=\"on-close\"", 2).await;
    serves_on(&host, "/").await;
    canary.finish().await;
    let log = stop(host).await;
    assert_eq!(log.matches("event close").count(), 1, "{log}");
}

#[tokio::test]
async fn g10_while_the_host_drains() {
    let host = host(guests::HOSTILE).start().await;
    let leaving = Client::connect(&host, &at("close", "panic")).await;
    let mut working = Client::connect(&host, "/").await;
    working.text("sleep-ms 300").await;
    working.text("panic while draining").await;
    let mut other = Client::connect(&host, "/").await;
    // The host has read what was sent before.
    assert_eq!(other.ask("echo here").await, "here");
    host.signal(Signal::TERM);
    leaving.closed_with(1001).await;
    other.closed_with(1001).await;
    working.closed().await;
    let ended = host.ended().await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.log);
    assert!(ended.log.contains("function=\"on-close\""), "{}", ended.log);
}

#[tokio::test]
async fn g22_names_of_functions_forge_no_line() {
    let host = host(guests::EVIL_NAMES).start().await;
    let mut client = Client::connect(&host, "/").await;
    client.text("trap").await;
    client.closed_with(1011).await;
    host.wait_log("the handler trapped: wasm trap: wasm `unreachable`").await;
    host.wait_log("\\u{1b}[31mred\\n2026-01-01T00:00:00.000000Z ERROR forged").await;
    let log = stop(host).await;
    assert!(!log.contains('\u{1b}'), "{log}");
    assert!(!log.lines().any(|line| line.starts_with("2026-01-01T")), "{log}");
}
