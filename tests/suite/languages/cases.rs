//! The cases: each a conversation with the guest, which fails by a panic.

use std::sync::Arc;

use tokio_tungstenite::tungstenite::protocol::Message;

use crate::support::client::{body, header};
use crate::support::raw::{CLOSE, TEXT};
use crate::support::{Client, Raw, TestHost};

/// Their names, in the order in which they run.
pub(super) const ALL: &[&str] = &[
    "text",
    "binary",
    "unicode",
    "empty",
    "large",
    "state",
    "args",
    "query",
    "headers",
    "request",
    "subprotocol",
    "refusal",
    "response-headers",
    "ping",
    "guest-ping",
    "close-codes",
    "bad-close-code",
    "on-close",
    "publish",
    "attachment",
    "print",
    "fail-message",
    "fail-open",
    "fail-close",
    "fail-ping",
    "fail-pong",
    "fail-upgrade",
    "memory",
];

/// Run one.
pub(super) async fn run(case: &str, host: Arc<TestHost>) {
    let host = &*host;
    match case {
        "text" => echoes_text(host, "hello").await,
        "unicode" => echoes_text(host, "grüße, 世界 🐦 \u{0} \u{fffd} e\u{301}").await,
        "binary" => binary(host).await,
        "empty" => empty(host).await,
        "large" => large(host).await,
        "state" => state(host).await,
        "args" => args(host).await,
        "query" => query(host).await,
        "headers" => headers(host).await,
        "request" => request(host).await,
        "subprotocol" => subprotocol(host).await,
        "refusal" => refusal(host).await,
        "response-headers" => response_headers(host).await,
        "ping" => ping(host).await,
        "guest-ping" => guest_ping(host).await,
        "close-codes" => close_codes(host).await,
        "bad-close-code" => bad_close_code(host).await,
        "on-close" => on_close(host).await,
        "publish" => publish(host).await,
        "attachment" => attachment(host).await,
        "print" => print(host).await,
        "fail-message" => fail_message(host).await,
        "fail-open" => fails_with_1011(host, "open", Message::text("hello")).await,
        "fail-close" => fail_close(host).await,
        "fail-ping" => fails_with_1011(host, "ping", Message::Ping("x".into())).await,
        "fail-pong" => fails_with_1011(host, "pong", Message::Pong("x".into())).await,
        "fail-upgrade" => fail_upgrade(host).await,
        "memory" => memory(host).await,
        _ => panic!("no such case"),
    }
}

async fn open(host: &TestHost) -> Client {
    Client::connect(host, "/case/room").await
}

async fn echoes_text(host: &TestHost, text: &str) {
    let mut client = open(host).await;
    assert_eq!(client.ask(text).await, text);
}

async fn binary(host: &TestHost) {
    let mut client = open(host).await;
    let bytes: Vec<u8> = (0..=255).collect();
    client.binary(&bytes).await;
    assert_eq!(client.receive_binary().await, bytes);
}

async fn empty(host: &TestHost) {
    let mut client = open(host).await;
    assert_eq!(client.ask("").await, "");
    client.binary(b"").await;
    assert_eq!(client.receive_binary().await, b"");
}

async fn large(host: &TestHost) {
    let mut client = open(host).await;
    let bytes: Vec<u8> = (0..1 << 20).map(|place: u32| (place % 251) as u8).collect();
    client.binary(&bytes).await;
    assert!(client.receive_binary().await == bytes, "1 MiB of bytes came back changed");
    let text = "grüße, 世界 🐦!".repeat(50_000);
    assert!(client.ask(&text).await == text, "1 MB of text came back changed");
}

async fn state(host: &TestHost) {
    let (mut first, mut second) = (open(host).await, open(host).await);
    first.ask("hello").await;
    assert_eq!((first.ask("!count").await, second.ask("!count").await), ("2".to_owned(), "1".to_owned()));
}

async fn args(host: &TestHost) {
    let mut client = Client::connect(host, "/case/t%C3%A9a%20room").await;
    assert_eq!(client.ask("!args").await, "room=téa room");
    let mut client = Client::connect(host, "/re/some/thing/else").await;
    assert_eq!(client.ask("!args").await, "name=some,_=thing/else");
    let mut client = Client::connect(host, "/re/some").await;
    assert_eq!(client.ask("!args").await, "name=some,_=-");
}

async fn query(host: &TestHost) {
    let mut client = Client::connect(host, "/case/room?a=1&b=%20").await;
    assert_eq!(client.ask("!query").await, "a=1&b=%20");
    assert_eq!(open(host).await.ask("!query").await, "-");
}

async fn headers(host: &TestHost) {
    let mut client = Client::connect_with(host, "/case/room", &[("X-Test", "one"), ("X-Test", "two")]).await;
    assert_eq!(client.ask("!header x-test").await, "one");
    assert_eq!(client.ask("!header x-other").await, "-");
}

async fn request(host: &TestHost) {
    let origin = format!("http://{}", host.addr());
    let fields = [("Origin", origin.as_str()), ("Sec-WebSocket-Protocol", "a, case.v2")];
    let mut client = Client::connect_with(host, "/case/%61", &fields).await;
    let expected = format!("path=/case/%61 host={} origin={origin} subprotocols=a,case.v2 secure=false", host.addr());
    assert_eq!(client.ask("!request").await, expected);
}

async fn subprotocol(host: &TestHost) {
    let offered = [("Sec-WebSocket-Protocol", "case.v1, case.v2")];
    let (mut client, response) = Client::try_connect(host, "/case/room", &offered).await.expect("the host accepts");
    assert_eq!(header(&response, "sec-websocket-protocol"), "case.v2");
    assert_eq!(client.ask("!subprotocol").await, "case.v2");
    assert_eq!(open(host).await.ask("!subprotocol").await, "-");
}

async fn refusal(host: &TestHost) {
    let refused = Client::try_connect(host, "/case/room?refuse=403", &[]).await;
    let response = refused.err().expect("the guest refuses");
    assert_eq!((response.status().as_u16(), header(&response, "x-refused")), (403, "yes"));
    assert_eq!(body(&response), "refused");
}

async fn response_headers(host: &TestHost) {
    let (_, response) = Client::try_connect(host, "/case/room", &[]).await.expect("the host accepts");
    assert_eq!(header(&response, "x-case"), "yes");
}

async fn ping(host: &TestHost) {
    let mut client = open(host).await;
    client.ping(b"abc").await;
    let mut seen = [client.receive().await, client.receive().await];
    // The pong has been queued before the guest is called.
    seen.sort_by_key(Message::is_text);
    assert_eq!(seen, [Message::Pong("abc".into()), Message::text("ping abc")]);
}

async fn guest_ping(host: &TestHost) {
    let mut client = open(host).await;
    client.text("!ping abc").await;
    // The client answers by itself.
    assert_eq!(client.receive().await, Message::Ping("abc".into()));
    assert_eq!(client.receive_text().await, "pong abc");
    assert_eq!(client.ask(&format!("!ping {}", "x".repeat(126))).await, "error invalid");
}

async fn close_codes(host: &TestHost) {
    for code in (1000..=1003u16).chain(1007..=1014).chain([3000, 4999]) {
        // The other client does not know 1014.
        let mut client = Raw::open(host, "/case/room").await;
        client.send_frame(TEXT, format!("!close {code} see you").as_bytes()).await;
        let frame = client.frame().await;
        assert_eq!((frame.opcode, frame.payload), (CLOSE, [&code.to_be_bytes(), b"see you".as_slice()].concat()));
    }
    let mut client = open(host).await;
    client.text("!close").await;
    assert_eq!(client.closed().await, None, "closed without a code");
}

async fn bad_close_code(host: &TestHost) {
    let mut client = open(host).await;
    for code in [999, 1004, 1005, 1006, 1015, 2999, 5000] {
        assert_eq!(client.ask(&format!("!close {code} no")).await, "error invalid", "{code}");
    }
    assert_eq!(client.ask(&format!("!close 1000 {}", "x".repeat(124))).await, "error invalid");
    assert_eq!(client.ask("still here").await, "still here");
}

async fn on_close(host: &TestHost) {
    open(host).await.close(4321, "grüße").await;
    host.wait_log("closed code=4321 reason=grüße cause=peer").await;
    let mut client = open(host).await;
    client.text("!close 1000").await;
    client.closed_with(1000).await;
    host.wait_log("cause=guest").await;
}

async fn publish(host: &TestHost) {
    let (mut first, mut second) = (open(host).await, open(host).await);
    for client in [&mut first, &mut second] {
        assert_eq!(client.ask("!subscribe tea").await, "ok");
    }
    first.text("!publish tea hello all").await;
    let mut both = [first.receive_text().await, first.receive_text().await];
    both.sort();
    assert_eq!(both, ["hello all", "ok 2"]);
    assert_eq!(second.receive_text().await, "hello all");
    assert_eq!(first.ask("!publish-others tea not me").await, "ok 1");
    assert_eq!(second.receive_text().await, "not me");
    assert_eq!(second.ask("!unsubscribe tea").await, "ok");
    assert_eq!(first.ask("!publish-others tea nobody").await, "ok 0");
    assert_eq!(first.ask(&format!("!subscribe {}", "x".repeat(300))).await, "error invalid");
}

async fn attachment(host: &TestHost) {
    let mut client = open(host).await;
    assert_eq!(client.ask("!attachment").await, "");
    assert_eq!(client.ask("!attach one grüße").await, "ok");
    assert_eq!(client.ask("!attachment").await, "one grüße");
    assert_eq!(client.ask(&format!("!attach {}", "x".repeat(20_000))).await, "error too-large");
    assert_eq!(open(host).await.ask("!attachment").await, "");
}

async fn print(host: &TestHost) {
    let mut client = open(host).await;
    assert_eq!(client.ask("!print printed grüße").await, "ok");
    assert_eq!(client.ask("!eprint printed an error").await, "ok");
    assert!(host.wait_log("printed grüße").await.contains("INFO"));
    assert!(host.wait_log("printed an error").await.contains("WARN"));
}

async fn fail_message(host: &TestHost) {
    let (mut client, mut other) = (open(host).await, open(host).await);
    client.text("!fail failed in message").await;
    client.closed_with(1011).await;
    host.wait_log("failed in message").await;
    assert_eq!(other.ask("still here").await, "still here");
}

async fn fails_with_1011(host: &TestHost, function: &str, message: Message) {
    let mut client = Client::connect(host, &format!("/case/room?fail={function}")).await;
    if function != "open" {
        client.send(message).await;
    }
    client.closed_with(1011).await;
    host.wait_log(&format!("failed in {function}")).await;
}

async fn fail_close(host: &TestHost) {
    Client::connect(host, "/case/room?fail=close").await.close(1000, "").await;
    host.wait_log("failed in close").await;
    echoes_text(host, "others go on").await;
}

async fn fail_upgrade(host: &TestHost) {
    let refused = Client::try_connect(host, "/case/room?fail=upgrade", &[]).await;
    assert_eq!(refused.err().map(|response| response.status().as_u16()), Some(500));
    host.wait_log("failed in upgrade").await;
    echoes_text(host, "others go on").await;
}

async fn memory(host: &TestHost) {
    let mut client = open(host).await;
    let message = vec![7; 64 << 10];
    for number in 0..1_000 {
        client.binary(&message).await;
        assert!(client.receive_binary().await == message, "message {number} came back changed");
    }
}
