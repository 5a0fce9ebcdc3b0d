//! Scopes: whom an instance serves. What a handler sees is the same under each.

mod faults;
mod recycling;
mod rooms;
mod shared;

use tokio_tungstenite::tungstenite::Message;

use crate::support::host::Builder;
use crate::support::raw::{Frame, TEXT};
use crate::support::{Canary, Client, Raw, TestHost, guests};

/// Every scope, as a manifest writes it, for a guest at `/` or `/{room}`.
const SCOPES: [&str; 4] =
    ["scope = \"connection\"", "scope = { room = \"lobby\" }", "scope = { shared = 2 }", "scope = \"event\""];

/// A host with one room per path, whose metrics can be read.
fn rooms(guest: &str) -> Builder {
    TestHost::serving(guest)
        .route("/{room}")
        .manifest("scope = { room = \"{room}\" }")
        .host("metrics = \"127.0.0.1:0\"")
}

#[tokio::test]
async fn an_echo_is_the_same_under_every_scope() {
    for scope in SCOPES {
        let host = TestHost::serving(guests::ECHO).manifest(scope).start().await;
        let canary = Canary::start(&host, "/", 3).await;
        let mut client = Client::connect(&host, "/").await;
        for text in ["", "grüße", &"x".repeat(70_000)] {
            assert_eq!(client.ask(text).await, *text, "{scope}");
        }
        let large = vec![7; 1 << 20];
        client.binary(&large).await;
        assert!(client.receive_binary().await == large, "{scope}");
        client.ping(b"are you there").await;
        assert_eq!(client.receive().await, Message::Pong("are you there".into()), "{scope}");
        assert_eq!(client.close(3001, "bye").await, Some((3001, "bye".to_owned())), "{scope}");
        canary.finish().await;
        host.stop().await;
    }
}

#[tokio::test]
async fn a_burst_keeps_its_order_under_every_scope() {
    for scope in SCOPES {
        let host = TestHost::serving(guests::ECHO).manifest(scope).start().await;
        let (mut one, mut two) = (Raw::open(&host, "/").await, Raw::open(&host, "/").await);
        let frames = (0..1000).map(|number| Frame::new(TEXT, format!("{number}").as_bytes()).bytes());
        let frames = frames.collect::<Vec<_>>().concat();
        one.send(&frames).await;
        two.send(&frames).await;
        for number in 0..1000 {
            for peer in [&mut one, &mut two] {
                assert_eq!(peer.frame().await.payload, format!("{number}").as_bytes(), "{scope}");
            }
        }
        host.stop().await;
    }
}

#[tokio::test]
async fn events_have_one_order_under_every_scope() {
    // The probe keeps what it knows of a connection in memory: it does not fit `event`.
    for scope in SCOPES.iter().filter(|scope| !scope.contains("event")) {
        let host = TestHost::serving(guests::PROBE).route("/{room}").manifest(scope).start().await;
        let mut client = Client::connect(&host, "/a?open=print+from+open").await;
        assert_eq!(client.receive_text().await, "ok");
        assert_eq!(client.ask("count").await, "1");
        client.ping(b"hello").await;
        assert_eq!(client.receive().await, Message::Pong("hello".into()));
        assert_eq!(client.ask("count").await, "2");
        assert_eq!(client.close(3000, "done").await, Some((3000, "done".to_owned())));
        host.wait_log("event close id=1 code=3000 reason=\"done\" cause=peer messages=2").await;
        // An error closes with 1011 and ends one connection; `on-close` is called, the instance lives on.
        let mut client = Client::connect(&host, "/a").await;
        let mut other = Client::connect(&host, "/a").await;
        client.text("fail as told").await;
        assert_eq!(client.closed().await, Some((1011, "the handler failed".to_owned())), "{scope}");
        let line = host.wait_log("as told").await;
        assert!(line.contains("function=\"on-message\"") && line.contains("connection=2"), "{line}");
        host.wait_log("event close id=2 code=1011").await;
        assert_eq!(other.ask("count").await, "1");
        let log = host.stop().await;
        let events = log.lines().filter(|line| line.contains("event ") && line.contains(" id=1 ")).collect::<Vec<_>>();
        let kinds = events.iter().map(|line| line.split("event ").nth(1).and_then(|it| it.split(' ').next()));
        assert_eq!(kinds.flatten().collect::<Vec<_>>(), ["open", "ping", "close"], "{scope}: {log}");
        assert_eq!(log.matches("event close id=2 ").count(), 1, "{log}");
    }
}

#[tokio::test]
async fn handshakes_are_decided_the_same_under_every_scope() {
    for scope in SCOPES {
        let host = crate::parity::host().manifest(scope).start().await;
        let foreign = [("origin", "https://evil.example")];
        let refused = crate::support::client::refusal(Client::try_connect(&host, "/ws", &foreign).await);
        assert_eq!(refused.status().as_u16(), 403, "{scope}");
        let offered = [("sec-websocket-protocol", "a, b")];
        let (_, response) = Client::try_connect(&host, "/ws?subprotocol=b", &offered).await.expect("accepted");
        let chosen = crate::support::client::header(&response, "sec-websocket-protocol");
        println!("{scope}: {chosen}");
        host.stop().await;
    }
}

#[tokio::test]
async fn an_event_has_an_instance_of_its_own() {
    let host =
        TestHost::serving(guests::ECHO).manifest("scope = \"event\"").host("metrics = \"127.0.0.1:0\"").start().await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = Client::connect(&host, "/").await;
        assert_eq!(client.ask("hello").await, "hello");
        clients.push(client);
    }
    // Between events there is no instance.
    host.wait_metric("whimbrel_instances{deployment=\"guest\",scope=\"event\",state=\"active\"}", 0.0).await;
    assert_eq!(host.metric("whimbrel_connections{deployment=\"guest\"}").await, 20.0);
    for client in &mut clients {
        assert_eq!(client.ask("again").await, "again");
    }
    host.stop().await;
}
