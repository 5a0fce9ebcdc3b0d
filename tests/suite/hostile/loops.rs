//! Loops without an end, in whatever a host calls: each is ended by its limit, and the neighbour goes on.

use tokio_tungstenite::tungstenite::protocol::Message;

use super::{at, canary, counted, host, settled, stop};
use crate::support::client::refusal;
use crate::support::{Canary, Client, TestHost, guests};

/// The guest's connection is closed with 1011, for this limit.
async fn ends(host: TestHost, client: Client, canary: Canary, limit: &str, function: &str) {
    client.closed_with(1011).await;
    told(&host, limit, function).await;
    canary.finish().await;
    settled(&host).await;
    stop(host).await;
}

/// It is counted and logged which limit ended which function.
async fn told(host: &TestHost, limit: &str, function: &str) {
    let line = host.wait_log(&format!("the handler trapped: limits.{limit}: ")).await;
    // On a loaded machine the time of a start may pass before its execution.
    assert!(line.contains(" of execution passed in one event") || limit == "start_time", "{line}");
    host.wait_log(&format!("function=\"{function}\"")).await;
    counted(host, limit).await;
}

#[tokio::test]
async fn g01_in_on_message() {
    let host = host(guests::HOSTILE).start().await;
    let canary = canary(&host).await;
    let mut client = Client::connect(&host, "/").await;
    client.text("spin").await;
    ends(host, client, canary, "execution", "on-message").await;
}

#[tokio::test]
async fn g01_in_on_ping_and_on_pong() {
    for (function, frame) in [("ping", Message::Ping("x".into())), ("pong", Message::Pong("x".into()))] {
        let host = host(guests::HOSTILE).start().await;
        let canary = canary(&host).await;
        let mut client = Client::connect(&host, &at(function, "spin")).await;
        client.send(frame).await;
        ends(host, client, canary, "execution", &format!("on-{function}")).await;
    }
}

#[tokio::test]
async fn g01_in_upgrade() {
    let host = host(guests::HOSTILE).start().await;
    let canary = canary(&host).await;
    let response = refusal(Client::try_connect(&host, &at("upgrade", "spin"), &[]).await);
    assert_eq!(response.status(), 504);
    told(&host, "execution", "upgrade").await;
    canary.finish().await;
    stop(host).await;
}

#[tokio::test]
async fn g02_in_open() {
    let host = host(guests::HOSTILE).limit("start_time", "200ms").start().await;
    let canary = canary(&host).await;
    let client = Client::connect(&host, &at("open", "spin")).await;
    ends(host, client, canary, "start_time", "open").await;
}

#[tokio::test]
async fn g03_in_on_close() {
    let host = host(guests::HOSTILE).start().await;
    let canary = canary(&host).await;
    let client = Client::connect(&host, &at("close", "spin")).await;
    client.close(1000, "").await;
    told(&host, "execution", "on-close").await;
    canary.finish().await;
    stop(host).await;
}

#[tokio::test]
async fn g04_at_the_start() {
    for (guest, problem) in [
        (guests::START_SPINS, "an instance did not start: limits.start_time: 200ms"),
        (guests::START_TRAPS, "an instance did not start: wasm trap: wasm `unreachable` instruction executed"),
    ] {
        let ended = host(guest).limit("start_time", "200ms").fails().await;
        assert_eq!(ended.status.code(), Some(2), "{}", ended.log);
        assert!(ended.log.contains(problem), "no {problem:?} in\n{}", ended.log);
    }
}

#[tokio::test]
async fn g04_in_cabi_realloc() {
    let host = host(guests::REALLOC_SPINS).start().await;
    let canary = canary(&host).await;
    let mut client = Client::connect(&host, "/").await;
    client.text("a message needs memory").await;
    ends(host, client, canary, "execution", "on-message").await;
}

#[tokio::test]
async fn g04_in_cabi_realloc_from_the_first_call_on() {
    let host = host(guests::REALLOC_SPINS_FIRST).limit("start_time", "200ms").start().await;
    let canary = canary(&host).await;
    let client = Client::connect(&host, "/").await;
    ends(host, client, canary, "start_time", "open").await;
}

#[tokio::test]
async fn g04_in_what_is_called_after_a_return() {
    let host = host(guests::RETURN_SPINS).start().await;
    let canary = canary(&host).await;
    let mut client = Client::connect(&host, "/").await;
    assert_eq!(client.ask("answered, and then").await, "answered, and then");
    ends(host, client, canary, "execution", "on-message").await;
}

#[tokio::test]
async fn g01_on_more_connections_than_threads() {
    let host = host(guests::HOSTILE).host("workers = 2").start().await;
    let canary = canary(&host).await;
    let mut spinning = Vec::new();
    for _ in 0..8 {
        let mut client = Client::connect(&host, "/").await;
        client.text("spin").await;
        spinning.push(client);
    }
    for client in spinning {
        client.closed_with(1011).await;
    }
    host.wait_log_count("function=\"on-message\"", 8).await;
    canary.finish().await;
    stop(host).await;
}
