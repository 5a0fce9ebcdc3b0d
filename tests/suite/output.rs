//! What a handler can do to its connections, and what it is told (TORNADO.md A3).

use crate::support::host::Builder;
use crate::support::raw::{BINARY, CLOSE, Frame, PING, PONG, TEXT};
use crate::support::{Client, Raw, TestHost, guests};

fn probe() -> Builder {
    TestHost::serving(guests::PROBE).limit("log_lines", "10000")
}

async fn text(raw: &mut Raw) -> String {
    String::from_utf8(raw.frame().await.payload).expect("text is UTF-8")
}

#[tokio::test]
async fn a30_send_yields_what_waits_and_one_frame_per_message() {
    let host = probe().start().await;
    let mut raw = Raw::open(&host, "/").await;
    raw.send_frame(TEXT, "send grüße\nsend-binary ab".as_bytes()).await;
    // The header counts too.
    for (opcode, payload, wire_bytes) in [(TEXT, "grüße", 9), (BINARY, "ab", 4)] {
        let frame = raw.frame().await;
        assert_eq!((frame.opcode, frame.payload), (opcode, payload.as_bytes().to_vec()));
        let answer = text(&mut raw).await;
        let waits = answer.strip_prefix("ok ").and_then(|it| it.parse::<u32>().ok());
        assert!(waits.is_some_and(|it| it >= wire_bytes), "{answer}");
    }
    drop(raw);
    host.stop().await;
}

#[tokio::test]
async fn a30_send_is_allowed_in_open() {
    let host = probe().start().await;
    let mut client = Client::connect(&host, "/?open=send+welcome").await;
    assert_eq!(client.receive_text().await, "welcome");
    drop(client);
    host.stop().await;
}

#[tokio::test]
async fn send_refuses_what_is_over_the_limit() {
    let host = probe().limit("outbound", "64KiB").limit("max_message_size", "64KiB").start().await;
    let mut client = Client::connect(&host, "/").await;
    assert_eq!(client.ask("send-size 65537").await, "error TooLarge(65536)");
    // One message is always taken, though it fills the buffer: its own answer may find no room.
    assert_eq!(client.ask("send-size 65536\ndrained 0\nid").await.len(), 65536);
    while client.receive_text().await != "1" {}
    drop(client);
    host.stop().await;
}

#[tokio::test]
async fn a31_send_says_when_the_buffer_is_full() {
    let host = probe().limit("outbound", "64KiB").limit("max_message_size", "64KiB").start().await;
    let mut client = Client::connect(&host, "/").await;
    client.text("burst 1000 10000").await;
    let mut messages = 0;
    let answer = loop {
        match client.receive_text().await {
            text if text.len() == 10_000 => messages += 1,
            answer => break answer,
        }
    };
    let (start, end) = answer.split_once(") after ").expect("a burst of 10 MB does not fit into 64 KiB");
    let waiting: usize = start.strip_prefix("error BufferFull(").and_then(|it| it.parse().ok()).expect("a number");
    assert!((65_536 - 10_004 + 1..=65_540).contains(&waiting), "{answer}");
    assert_eq!(end, messages.to_string(), "what was refused was sent, or the other way round");
    drop(client);
    host.stop().await;
}

#[tokio::test]
async fn a31_drained_waits_for_the_peer() {
    let host = probe().limit("outbound", "1MiB").start().await;
    let mut client = Client::connect(&host, "/").await;
    client.text("burst 9 100000\ndrained 0\ninspect").await;
    for _ in 0..9 {
        assert_eq!(client.receive_text().await.len(), 100_000);
    }
    assert_eq!(client.receive_text().await, "ok", "burst");
    assert_eq!(client.receive_text().await, "ok", "drained");
    // The answer to `drained` at most still waits.
    let shown = client.receive_text().await;
    let is_drained =
        ["buffered=0", "buffered=4"].iter().any(|it| shown.contains(&format!("open=true {it} in=1 out=11 ")));
    assert!(is_drained, "{shown}");
    drop(client);
    host.stop().await;
}

#[tokio::test]
async fn drained_ends_with_the_connection() {
    let host = probe().limit("outbound", "64MiB").limit("execution", "5s").start().await;
    let mut raw = Raw::open(&host, "/").await;
    // More than the kernel takes for a peer that does not read.
    raw.send_frame(TEXT, b"burst 40 1000000\nprint waiting\ndrained 0").await;
    host.wait_log(" waiting ").await;
    drop(raw);
    host.wait_log("unsent error Closed id=1 because=Closed").await;
    host.wait_log("event close id=1 code=none reason=\"\" cause=network").await;
    host.stop().await;
}

#[tokio::test]
async fn a32_ping_carries_up_to_125_bytes_and_brings_a_pong() {
    let host = probe().start().await;
    let mut raw = Raw::open(&host, "/").await;
    for data in [String::new(), "data".to_owned(), "x".repeat(125)] {
        raw.send_frame(TEXT, format!("ping {data}").as_bytes()).await;
        let ping = raw.frame().await;
        assert_eq!((ping.opcode, ping.payload.clone()), (PING, data.clone().into_bytes()));
        assert_eq!(raw.frame().await.payload, b"ok");
        raw.send_frame(PONG, &ping.payload).await;
        host.wait_log(&format!("event pong id=1 data={data:?}")).await;
    }
    raw.send_frame(TEXT, format!("ping {}", "x".repeat(126)).as_bytes()).await;
    assert_eq!(text(&mut raw).await, "error Invalid(\"data: 126 bytes; at most 125 are allowed\")");
    drop(raw);
    host.stop().await;
}

#[tokio::test]
async fn a33_close_sends_what_it_is_told() {
    let host = probe().start().await;
    let reason = "x".repeat(123);
    for (command, expected) in [
        ("close".to_owned(), None),
        ("close 1000".to_owned(), Some((1000, ""))),
        ("close 1001 going".to_owned(), Some((1001, "going"))),
        ("close 1014".to_owned(), Some((1014, ""))),
        ("close 3000 grüße".to_owned(), Some((3000, "grüße"))),
        (format!("close 4999 {reason}"), Some((4999, reason.as_str()))),
    ] {
        let mut raw = Raw::open(&host, "/").await;
        // What was sent before still goes out.
        raw.send_frame(TEXT, format!("send last\n{command}").as_bytes()).await;
        assert_eq!(raw.frame().await.payload, b"last");
        let close = raw.close_frame().await;
        assert_eq!(close.as_ref().map(|(code, reason)| (*code, reason.as_str())), expected, "{command}");
        raw.send_frame(CLOSE, b"").await;
        raw.ended().await;
    }
    host.stop().await;
}

#[tokio::test]
async fn a33_close_refuses_what_must_not_be_on_the_wire() {
    let host = probe().start().await;
    let mut client = Client::connect(&host, "/").await;
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
        let expected = format!("error Invalid(\"code: {code}; allowed are 1000 to 1003, 1007 to 1014, 3000 to 4999\")");
        assert_eq!(client.ask(&format!("close {code}")).await, expected);
    }
    let long = format!("close 1000 {}", "x".repeat(124));
    assert_eq!(client.ask(&long).await, "error Invalid(\"reason: 124 bytes; at most 123 are allowed\")");
    assert_eq!(client.ask("close none why").await, "error Invalid(\"reason: allowed only with a code\")");
    assert!(client.ask("inspect").await.contains("open=true"));
    drop(client);
    host.stop().await;
}

#[tokio::test]
async fn a33_after_close_nothing_can_be_sent() {
    let host = probe().start().await;
    let mut raw = Raw::open(&host, "/").await;
    let commands = "close 1000 bye\nsend x\nping x\nclose 1001\nnodelay on\ndrained 0\nsubscribe a\ninspect";
    raw.send_frame(TEXT, commands.as_bytes()).await;
    assert_eq!(raw.close_frame().await, Some((1000, "bye".to_owned())));
    raw.send_close(1000, "").await;
    raw.ended().await;
    host.wait_log("event close id=1 ").await;
    let log = host.stop().await;
    assert_eq!(log.matches("unsent ok id=1 because=Closed").count(), 1, "{log}");
    assert_eq!(log.matches("unsent error Closed id=1 because=Closed").count(), 6, "{log}");
    assert!(log.contains("unsent subprotocol=none open=false buffered="), "{log}");
}

#[tokio::test]
async fn a33_the_peers_close_frame_is_echoed() {
    let host = probe().start().await;
    for (payload, code) in [(&b"\x0f\xa1why"[..], Some(4001)), (b"\x03\xe8", Some(1000)), (b"", None)] {
        let mut raw = Raw::open(&host, "/").await;
        raw.send_frame(CLOSE, payload).await;
        let frame = raw.frame().await;
        assert_eq!((frame.opcode, frame.close().map(|(code, _)| code)), (CLOSE, code));
        raw.ended().await;
    }
    host.stop().await;
}

#[tokio::test]
async fn a33_a_peer_that_ignores_our_close_frame_is_left_after_the_close_timeout() {
    let host = probe().limit("close_timeout", "300ms").start().await;
    let mut raw = Raw::open(&host, "/").await;
    raw.send_frame(TEXT, b"close 1000 bye").await;
    assert_eq!(raw.close_frame().await, Some((1000, "bye".to_owned())));
    // Heard until then, but no answer.
    raw.send_anyway(&Frame::new(TEXT, b"print late").bytes()).await;
    host.wait_log(" late ").await;
    raw.ended().await;
    host.wait_log("event close id=1 code=none reason=\"\" cause=guest messages=2").await;
    host.stop().await;
}

#[tokio::test]
async fn a34_nodelay_can_be_switched() {
    let host = probe().start().await;
    let mut client = Client::connect(&host, "/").await;
    assert_eq!(client.ask("nodelay off").await, "ok");
    assert_eq!(client.ask("nodelay on").await, "ok");
    drop(client);
    host.stop().await;
}

#[tokio::test]
async fn only_its_own_connections_answer_an_instance() {
    let host = probe().start().await;
    let mut other = Client::connect(&host, "/").await;
    assert_eq!(other.ask("id").await, "1");
    let mut client = Client::connect(&host, "/").await;
    assert_eq!(client.ask("id").await, "2");
    for id in [1, 3, 0, u32::MAX] {
        assert_eq!(client.ask(&format!("send-to {id} x")).await, "error UnknownConnection");
        assert_eq!(client.ask(&format!("close-to {id} x")).await, "error UnknownConnection");
    }
    assert_eq!(client.ask("send-to 2 mine").await, "mine");
    assert!(client.receive_text().await.starts_with("ok "));
    assert_eq!(client.ask("send-many 1,2,3 many").await, "many");
    assert_eq!(client.receive_text().await, "ok 1");
    assert_eq!(other.ask("count").await, "2", "nothing else reached the other connection");
    drop((other, client));
    host.stop().await;
}

#[tokio::test]
async fn inspect_tells_what_the_host_knows() {
    let host = probe().limit("ping_interval", "500ms").limit("ping_timeout", "off").start().await;
    let mut raw = Raw::open(&host, "/").await;
    raw.send_frame(TEXT, b"send a\nsend b\ninspect").await;
    for _ in 0..4 {
        raw.frame().await;
    }
    let shown = text(&mut raw).await;
    assert!(shown.starts_with("subprotocol=none open=true buffered="), "{shown}");
    assert!(shown.ends_with(" in=1 out=4 round-trip=none"), "{shown}");
    assert_eq!(raw.frame().await.opcode, PING, "a keep-alive ping");
    raw.send_frame(PONG, b"").await;
    raw.send_frame(TEXT, b"inspect").await;
    let shown = text(&mut raw).await;
    assert!(shown.ends_with(" in=2 out=5 round-trip=some"), "{shown}");
    drop(raw);
    host.stop().await;
}
