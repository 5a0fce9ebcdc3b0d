//! What a handler is called with, when, and in which order (TORNADO.md A2).

use std::collections::HashMap;

use crate::support::host::Builder;
use crate::support::raw::{BINARY, CLOSE, CONTINUATION, Frame, PING, PONG, TEXT};
use crate::support::{Client, Raw, TestHost, guests};

fn probe() -> Builder {
    TestHost::serving(guests::PROBE).limit("log_lines", "10000")
}

/// Sends a command and returns the answer; nothing else may come before it.
async fn ask(raw: &mut Raw, command: &str) -> String {
    raw.send_frame(TEXT, command.as_bytes()).await;
    text(raw).await
}

async fn text(raw: &mut Raw) -> String {
    let frame = raw.frame().await;
    assert_eq!(frame.opcode, TEXT, "instead of text came {frame:?}");
    String::from_utf8(frame.payload).expect("text is UTF-8")
}

/// The place of a text in the log; fails the test when it is not there.
#[track_caller]
fn place(log: &str, text: &str) -> usize {
    log.find(text).unwrap_or_else(|| panic!("no {text:?} in\n{log}"))
}

#[track_caller]
fn assert_order(log: &str, texts: &[&str]) {
    let places: Vec<_> = texts.iter().map(|text| place(log, text)).collect();
    assert!(places.is_sorted(), "{texts:?} are not in this order in\n{log}");
}

#[tokio::test]
async fn a19_open_gets_what_the_route_captured() {
    let host = probe()
        .route("/chat/{room}")
        .route(r"{ regex = '/echo/(?P<name>[^/]+)(?:/(.*))?' }")
        .route("/plain")
        .start()
        .await;
    for (path, args) in [
        ("/plain?open=args", "[]"),
        ("/chat/lobby?open=args", "[room=lobby]"),
        ("/chat/caf%C3%A9%20%2F+?open=args", "[room=café /+]"),
        ("/echo/a/b/c?open=args", "[name=a,_=b/c]"),
        ("/echo/r%20oom/?open=args", "[name=r oom,_=]"),
        ("/echo/a?open=args", "[name=a,_=none]"),
    ] {
        let mut client = Client::connect(&host, path).await;
        assert_eq!(client.receive_text().await, args, "{path}");
    }
    host.stop().await;
}

#[tokio::test]
async fn a19_nothing_is_delivered_before_open_returns() {
    let host = probe().start().await;
    let mut raw = Raw::connect(host.addr()).await;
    let request = crate::support::raw::Request::upgrade(&host, "/?open=sleep+300%0aprint+opened");
    let early = [Frame::new(TEXT, b"print first").bytes(), Frame::new(PING, b"p").bytes()].concat();
    raw.send(&[request.text().as_bytes(), &early].concat()).await;
    assert_eq!(raw.response().await.status, 101);
    host.wait_log("event ping").await;
    assert_order(&host.log_text(), &["event open", " opened ", " first ", "event ping id=1 data=\"p\""]);
    drop(raw);
    host.stop().await;
}

#[tokio::test]
async fn a20_text_and_binary_are_kept_apart() {
    let host = probe().start().await;
    let mut raw = Raw::open(&host, "/").await;
    // A binary message that holds a command is not one.
    for data in [&b"count"[..], b"", b"\xff\x00"] {
        raw.send_frame(BINARY, data).await;
        let frame = raw.frame().await;
        assert_eq!((frame.opcode, &frame.payload[..]), (BINARY, data));
    }
    raw.send(&[Frame::new(BINARY, b"a").unfinished().bytes(), Frame::new(CONTINUATION, b"b").bytes()].concat()).await;
    let frame = raw.frame().await;
    assert_eq!((frame.opcode, &frame.payload[..]), (BINARY, &b"ab"[..]));
    raw.send_frame(TEXT, b"").await;
    assert_eq!(ask(&mut raw, "count").await, "6");
    drop(raw);
    host.stop().await;
}

#[tokio::test]
async fn a20_events_come_in_the_order_of_their_frames() {
    let host = probe().start().await;
    let mut raw = Raw::open(&host, "/").await;
    let frames = [
        Frame::new(TEXT, b"print one"),
        Frame::new(PING, b"two"),
        Frame::new(TEXT, b"sleep 100"),
        Frame::new(PONG, b"three"),
        Frame::new(TEXT, b"print four").unfinished(),
        Frame::new(PING, b"between"),
        Frame::new(CONTINUATION, b"\nprint five"),
        Frame::new(PING, b"six"),
    ];
    raw.send(&frames.map(|frame| frame.bytes()).concat()).await;
    host.wait_log("data=\"six\"").await;
    let expected = [
        " one ",
        "event ping id=1 data=\"two\"",
        "event pong id=1 data=\"three\"",
        "data=\"between\"",
        " four ",
        " five ",
        "data=\"six\"",
    ];
    assert_order(&host.log_text(), &expected);
    drop(raw);
    host.stop().await;
}

#[tokio::test]
async fn a20_a25_a_ping_is_answered_while_the_handler_is_busy() {
    let host = probe().start().await;
    let mut raw = Raw::open(&host, "/").await;
    raw.send_frame(TEXT, b"sleep 2000\nprint awake").await;
    raw.send_frame(PING, b"are you there").await;
    let pong = raw.frame().await;
    assert_eq!((pong.opcode, &pong.payload[..]), (PONG, &b"are you there"[..]));
    assert!(!host.log_text().contains("awake"), "the pong waited for the handler");
    assert_eq!(text(&mut raw).await, "ok");
    host.wait_log("event ping").await;
    assert_order(&host.log_text(), &[" awake ", "event ping id=1 data=\"are you there\""]);
    drop(raw);
    host.stop().await;
}

#[tokio::test]
async fn a37_a_busy_handler_costs_a_healthy_peer_nothing() {
    let host = probe().limit("ping_interval", "700ms").limit("ping_timeout", "700ms").start().await;
    let mut client = Client::connect(&host, "/").await;
    // Four times interval and timeout; the client answers the pings meanwhile.
    assert_eq!(client.ask("sleep 2800").await, "ok");
    assert!(client.ask("inspect").await.ends_with("round-trip=some"));
    host.wait_log_count("event pong id=1 data=\"\"", 2).await;
    client.close(1000, "").await;
    host.wait_log("event close id=1 code=1000 reason=\"\" cause=peer").await;
    host.stop().await;
}

#[tokio::test]
async fn a37_a_silent_peer_is_given_up_while_the_handler_is_busy() {
    let host = probe().limit("ping_interval", "100ms").limit("ping_timeout", "100ms").start().await;
    let mut raw = Raw::open(&host, "/").await;
    raw.send_frame(TEXT, b"sleep 3000\nprint awake").await;
    let ping = raw.frame().await;
    assert_eq!((ping.opcode, ping.payload.len()), (PING, 0));
    // No close frame: nobody would read it.
    raw.ended().await;
    assert!(!host.log_text().contains("awake"), "the end waited for the handler");
    host.wait_log("event close id=1 code=none reason=\"\" cause=ping-timeout").await;
    assert_order(&host.log_text(), &[" awake ", "event close id=1"]);
    host.stop().await;
}

#[tokio::test]
async fn a22_what_was_received_before_a_drop_is_delivered_then_the_end() {
    let host = probe().start().await;
    let mut raw = Raw::open(&host, "/").await;
    let frames = ["print start\nsleep 300", "print a", "print b", "print c"];
    raw.send(&frames.map(|text| Frame::new(TEXT, text.as_bytes()).bytes()).concat()).await;
    host.wait_log(" start ").await;
    drop(raw);
    let close = host.wait_log("event close").await;
    assert!(close.contains("id=1 code=none reason=\"\" cause=network messages=4 inspect=[subprotocol=none open=false"));
    let log = host.stop().await;
    assert_order(&log, &[" start ", " a ", " b ", " c ", "event close"]);
    assert!(log.contains("unsent ok id=1 because=Closed"), "{log}");
    assert_eq!(log.matches("event close").count(), 1, "{log}");
}

#[tokio::test]
async fn a23_messages_after_its_own_close_reach_the_handler_until_the_peers_close_frame() {
    let host = probe().start().await;
    let mut raw = Raw::open(&host, "/").await;
    raw.send_frame(TEXT, b"close 1000 done").await;
    assert_eq!(raw.close_frame().await, Some((1000, "done".to_owned())));
    raw.send_frame(TEXT, b"print late").await;
    raw.send_frame(TEXT, b"print later").await;
    host.wait_log(" later ").await;
    raw.send_close(1000, "too").await;
    raw.send_anyway(&Frame::new(TEXT, b"print never").bytes()).await;
    let close = host.wait_log("event close").await;
    assert!(close.contains("id=1 code=1000 reason=\"too\" cause=guest messages=3"), "{close}");
    raw.ended().await;
    let log = host.stop().await;
    assert_order(&log, &[" late ", " later ", "event close"]);
    assert!(!log.contains("never"), "{log}");
}

#[tokio::test]
async fn a24_on_close_is_told_who_ended_it_and_with_what() {
    let host = probe().limit("max_message_size", "1000").start().await;
    let close = |payload: &[u8]| Frame::new(CLOSE, payload).bytes();
    let cases = [
        (close(b"\x0f\xa1why"), Some(4001), "code=4001 reason=\"why\" cause=peer"),
        (close(b"\x03\xe8"), Some(1000), "code=1000 reason=\"\" cause=peer"),
        (close(b""), None, "code=none reason=\"\" cause=peer"),
        (Frame::new(3, b"").bytes(), Some(1002), "code=none reason=\"\" cause=protocol-error"),
        (Frame::new(TEXT, b"\xff").bytes(), Some(1007), "code=none reason=\"\" cause=invalid-text"),
        (Frame::new(TEXT, &[b'x'; 1001]).bytes(), Some(1009), "code=none reason=\"\" cause=message-too-big"),
    ];
    let mut expected = HashMap::new();
    for (bytes, code, info) in cases {
        let mut raw = Raw::open(&host, "/").await;
        let id = ask(&mut raw, "id").await;
        raw.send(&bytes).await;
        assert_eq!(raw.close_frame().await.map(|(code, _)| code), code, "{info}");
        raw.ended().await;
        host.wait_log(&format!("event close id={id} ")).await;
        expected.insert(id, info);
    }
    let log = host.stop().await;
    for (id, info) in expected {
        let prefix = format!("event close id={id} ");
        assert_eq!(log.matches(&prefix).count(), 1, "{log}");
        place(&log, &format!("{prefix}{info} messages=1 inspect=["));
    }
}

#[tokio::test]
async fn a24_the_answer_to_our_close_frame_is_told() {
    let host = probe().start().await;
    for (id, answer, info) in [
        (1, &b"\x0f\xa2mine"[..], "code=4002 reason=\"mine\" cause=guest"),
        (2, b"", "code=none reason=\"\" cause=guest"),
    ] {
        let mut raw = Raw::open(&host, "/").await;
        raw.send_frame(TEXT, b"close 4001 ours").await;
        assert_eq!(raw.close_frame().await, Some((4001, "ours".to_owned())));
        raw.send_frame(CLOSE, answer).await;
        raw.ended().await;
        host.wait_log(&format!("event close id={id} {info}")).await;
    }
    // An echo of every code that a handler may close with.
    let codes = (1000..=1003).chain(1007..=1014).chain([3000, 4999]);
    for (id, code) in (3..).zip(codes) {
        let mut raw = Raw::open(&host, "/").await;
        raw.send_frame(TEXT, format!("close {code}").as_bytes()).await;
        assert_eq!(raw.close_frame().await, Some((code, String::new())));
        raw.send_close(code, "").await;
        raw.ended().await;
        host.wait_log(&format!("event close id={id} code={code} reason=\"\" cause=guest")).await;
    }
    host.stop().await;
}

#[tokio::test]
async fn a25_a26_pings_and_pongs_reach_the_handler() {
    let host = probe().start().await;
    let mut raw = Raw::open(&host, "/").await;
    for data in [&b""[..], b"data", &[b'x'; 125]] {
        raw.send_frame(PING, data).await;
        let pong = raw.frame().await;
        assert_eq!((pong.opcode, &pong.payload[..]), (PONG, data));
        let shown = String::from_utf8_lossy(data);
        host.wait_log(&format!("event ping id=1 data={shown:?}")).await;
    }
    raw.send_frame(PONG, b"unasked").await;
    host.wait_log("event pong id=1 data=\"unasked\"").await;
    assert_eq!(ask(&mut raw, "count").await, "1", "control frames are no messages");
    drop(raw);
    host.stop().await;
}
