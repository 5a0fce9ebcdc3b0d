//! Peers that break RFC 6455: what the host answers, and that the handler is told once (FAULTS.md P01 to P22; P23 to P25
//! are about compression, which does not exist yet).

use crate::support::host::Builder;
use crate::support::raw::{BINARY, CLOSE, CONTINUATION, Frame, PING, PONG, TEXT};
use crate::support::{Canary, Raw, TestHost, guests};

/// Small, so that the limit is met with few bytes.
const MAX: usize = 1000;

fn probe() -> Builder {
    TestHost::serving(guests::PROBE).limit("max_message_size", "1000").limit("log_lines", "10000")
}

/// What a peer sends, and how it ends.
struct Case {
    id: &'static str,
    what: &'static str,
    bytes: Vec<u8>,
    code: u16,
    cause: &'static str,
}

fn case(id: &'static str, what: &'static str, frames: &[Frame], code: u16) -> Case {
    let bytes = frames.iter().flat_map(Frame::bytes).collect();
    let cause = match code {
        1007 => "invalid-text",
        1009 => "message-too-big",
        _ => "protocol-error",
    };
    Case { id, what, bytes, code, cause }
}

fn rsv(rsv: u8, frame: Frame) -> Frame {
    Frame { rsv, ..frame }
}

fn text(payload: &[u8]) -> Frame {
    Frame::new(TEXT, payload)
}

fn more(payload: &[u8]) -> Frame {
    Frame::new(CONTINUATION, payload)
}

/// The head of a frame of so many bytes, and none of them.
fn announced(length: u64) -> Vec<u8> {
    [text(b"").head(length), vec![0; 4]].concat()
}

fn headers() -> Vec<Case> {
    let unmasked = Frame { masked: false, ..text(b"print called") };
    let mut cases = vec![
        case("P01", "an unmasked frame", &[unmasked], 1002),
        case("P02", "RSV1 without an extension", &[rsv(4, text(b"print called"))], 1002),
        case("P03", "RSV2", &[rsv(2, text(b"print called"))], 1002),
        case("P03", "RSV3", &[rsv(1, text(b"print called"))], 1002),
        case("P04", "RSV1 on a ping", &[rsv(4, Frame::new(PING, b""))], 1002),
        case("P04", "RSV1 on a continuation", &[text(b"print ").unfinished(), rsv(4, more(b"called"))], 1002),
        case("P06", "a ping of 126 bytes", &[Frame::new(PING, &[b'x'; 126])], 1002),
        case("P06", "a pong of 126 bytes", &[Frame::new(PONG, &[b'x'; 126])], 1002),
        case("P06", "a close frame of 126 bytes", &[Frame::new(CLOSE, &[b'x'; 126])], 1002),
        case("P07", "a fragmented ping", &[Frame::new(PING, b"x").unfinished()], 1002),
        case("P07", "a fragmented close frame", &[Frame::new(CLOSE, b"").unfinished()], 1002),
        case("P08", "a continuation of nothing", &[more(b"print called")], 1002),
        case("P09", "text within a message", &[text(b"print ").unfinished(), text(b"called")], 1002),
        case("P09", "binary within a message", &[text(b"print ").unfinished(), Frame::new(BINARY, b"x")], 1002),
    ];
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        cases.push(case("P05", "a reserved opcode", &[Frame::new(opcode, b"")], 1002));
    }
    cases
}

fn payloads() -> Vec<Case> {
    let mut cases = vec![
        case("P10", "a byte that is not UTF-8", &[text(b"print \xff")], 1007),
        case("P10", "a surrogate", &[text(b"print \xed\xa0\x80")], 1007),
        case("P10", "a character that is cut", &[text(b"print \xe2\x82")], 1007),
        case("P10", "cut by the last fragment", &[text(b"print \xe2").unfinished(), more(b"\x82")], 1007),
        case("P10", "broken in the second fragment", &[text(b"print ").unfinished(), more(b"\xc0\x80")], 1007),
        case("P11", "a close frame of 1 byte", &[Frame::new(CLOSE, b"\x03")], 1002),
        case("P13", "a reason that is not UTF-8", &[Frame::new(CLOSE, b"\x03\xe8\xff")], 1007),
        case("P17", "fragments over the limit", &[text(&[b'x'; MAX]).unfinished(), more(b"x")], 1009),
    ];
    let head = |id, what, length| Case { bytes: announced(length), ..case(id, what, &[], 1009) };
    cases.push(head("P16", "a frame over the limit", MAX as u64 + 1));
    cases.push(head("P16", "a frame of 2^62 bytes", 1 << 62));
    cases
}

#[tokio::test]
async fn p01_to_p17_what_breaks_the_rules_is_closed_with_its_code_and_told_once() {
    let host = probe().start().await;
    let mut expected = Vec::new();
    for (index, case) in headers().into_iter().chain(payloads()).enumerate() {
        let (id, name) = (index + 1, format!("{} {} {:?}", case.id, case.what, case.bytes));
        let mut raw = Raw::open(&host, "/").await;
        raw.send(&case.bytes).await;
        assert_eq!(raw.close_frame().await.map(|(code, _)| code), Some(case.code), "{name}");
        raw.ended().await;
        host.wait_log(&format!("event close id={id} ")).await;
        expected.push((name, format!("event close id={id} code=none reason=\"\" cause={} messages=0 ", case.cause)));
    }
    let log = host.stop().await;
    for (name, line) in &expected {
        assert_eq!(log.matches(line.as_str()).count(), 1, "{name}: not once {line:?} in\n{log}");
    }
    assert_eq!(log.matches("event close").count(), expected.len(), "{log}");
    assert!(!log.contains(" called "), "the handler was called:\n{log}");
}

#[tokio::test]
async fn p18_what_keeps_the_rules_is_answered() {
    let host = probe().start().await;
    let exact = vec![7; MAX];
    for (what, frames, payload) in [
        ("P18 exactly the limit", vec![Frame::new(BINARY, &exact)], &exact[..]),
        (
            "P18 exactly the limit in fragments, a ping between them not counted",
            vec![
                Frame::new(BINARY, &exact[..500]).unfinished(),
                Frame::new(PING, &[b'x'; 125]),
                Frame::new(CONTINUATION, &exact[500..]),
            ],
            &exact,
        ),
        ("an empty fragment", vec![Frame::new(BINARY, b"").unfinished(), more(b"ab")], b"ab"),
        ("a character in two fragments", vec![text(b"send \xc3").unfinished(), more(b"\xa9")], "é".as_bytes()),
    ] {
        let mut raw = Raw::open(&host, "/").await;
        raw.send(&frames.iter().flat_map(Frame::bytes).collect::<Vec<_>>()).await;
        let frame = loop {
            match raw.frame().await {
                pong if pong.opcode == PONG => {}
                frame => break frame,
            }
        };
        assert!(frame.payload == payload, "{what}: {frame:?}");
    }
    host.stop().await;
}

#[tokio::test]
async fn p12_a_close_code_that_must_not_be_sent() {
    let host = probe().start().await;
    for (index, code) in [0_u16, 999, 1004, 1005, 1006, 1015, 1100, 2999, 5000, 65535].into_iter().enumerate() {
        let (first, second) = (2 * index + 1, 2 * index + 2);
        let mut raw = Raw::open(&host, "/").await;
        raw.send_close(code, "").await;
        raw.closed_with(1002).await;
        host.wait_log(&format!("event close id={first} code=none reason=\"\" cause=protocol-error messages=0")).await;
        // As the answer to ours it is no answer with a code.
        let mut raw = Raw::open(&host, "/").await;
        raw.send_frame(TEXT, b"close 1000").await;
        assert_eq!(raw.close_frame().await, Some((1000, String::new())));
        raw.send_close(code, "").await;
        raw.ended().await;
        host.wait_log(&format!("event close id={second} code=none reason=\"\" cause=guest messages=1")).await;
    }
    host.stop().await;
}

#[tokio::test]
async fn p14_a_length_is_written_in_the_fewest_bytes() {
    let host = probe().start().await;
    for length in [&b"\xfe\x00\x02"[..], b"\xff\x00\x00\x00\x00\x00\x00\x00\x02"] {
        let mut raw = Raw::open(&host, "/").await;
        // A mask of zeros changes nothing.
        raw.send(&[b"\x81", length, b"\x00\x00\x00\x00id"].concat()).await;
        raw.closed_with(1002).await;
    }
    host.stop().await;
}

#[tokio::test]
async fn p15_a_length_has_no_top_bit() {
    let host = probe().start().await;
    for length in [1 << 63, u64::MAX] {
        let mut raw = Raw::open(&host, "/").await;
        raw.send(&announced(length)).await;
        raw.closed_with(1002).await;
    }
    host.stop().await;
}

/// What came before the frame that breaks a rule is still answered, also out of one packet.
#[tokio::test]
async fn a_message_before_a_broken_rule_counts() {
    let host = probe().start().await;
    let mut raw = Raw::open(&host, "/").await;
    raw.send(b"\x81\x82\x00\x00\x00\x00id\x81\xfe\x00\x02\x00\x00\x00\x00id").await;
    assert_eq!(raw.take(3).await, b"\x81\x011");
    raw.closed_with(1002).await;
    host.stop().await;
}

#[tokio::test]
async fn p16_an_announced_frame_costs_no_memory() {
    const MIB: u64 = 1 << 20;
    let host = TestHost::serving(guests::PROBE).start().await;
    // One beyond the limit is refused; what is within it may come, but has not.
    for length in [10 * MIB + 1, 10 * MIB] {
        let before = host.address_space_kib();
        let mut raws = Vec::new();
        for _ in 0..50 {
            let mut raw = Raw::open(&host, "/").await;
            raw.send(&announced(length)).await;
            match length > 10 * MIB {
                true => assert_eq!(raw.close_frame().await, Some((1009, "message too big".to_owned()))),
                // Nothing is to be waited for: the bytes that come next belong to the frame.
                false => raw.send(&[7; 1000]).await,
            }
            raws.push(raw);
        }
        let grown = host.address_space_kib().saturating_sub(before);
        assert!(grown < 50 * 1024, "{grown} KiB more for fifty frames of {length} bytes");
    }
    let line = host.wait_log("limits.max_message_size: ").await;
    assert!(line.contains("limits.max_message_size: a message of 10485761B; allowed: 10MiB"), "{line}");
    host.stop().await;
}

#[tokio::test]
async fn p17_fragments_over_the_limit_cost_little_more_than_it() {
    let host = TestHost::serving(guests::PROBE).start().await;
    let mut raw = Raw::open(&host, "/").await;
    host.forget_peak();
    let before = host.peak_kib();
    let fragment = [7; 64 * 1024];
    raw.send(&Frame::new(BINARY, &fragment).unfinished().bytes()).await;
    for _ in 1..160 {
        raw.send(&more(&fragment).unfinished().bytes()).await;
    }
    raw.send(&more(b"x").bytes()).await;
    assert_eq!(raw.close_frame().await, Some((1009, "message too big".to_owned())));
    raw.ended().await;
    // tungstenite joins fragments in a buffer that doubles: its last growth holds some of it twice, and the allocator
    // keeps the smaller ones for a moment.
    let grown = host.peak_kib().saturating_sub(before);
    assert!(grown < 30 * 1024, "{grown} KiB more");
    host.stop().await;
}

#[tokio::test]
async fn p19_nothing_behind_a_close_frame_is_heard() {
    let host = probe().start().await;
    let mut raw = Raw::open(&host, "/").await;
    let frames = [Frame::new(CLOSE, b"\x03\xe8"), text(b"print called"), Frame::new(PING, b"x")];
    raw.send(&frames.map(|frame| frame.bytes()).concat()).await;
    raw.closed_with(1000).await;
    host.wait_log("event close id=1 code=1000 reason=\"\" cause=peer messages=0").await;
    let log = host.stop().await;
    assert!(!log.contains(" called ") && !log.contains("event ping"), "{log}");
}

#[tokio::test]
async fn p20_p21_an_end_without_a_close_frame_is_told_once() {
    let host = probe().start().await;
    for (id, is_reset) in [(1, false), (2, true)] {
        let raw = Raw::open(&host, "/").await;
        let stream = raw.into_stream();
        if is_reset {
            stream.set_zero_linger().expect("a TCP socket");
        }
        drop(stream);
        host.wait_log(&format!("event close id={id} code=none reason=\"\" cause=network messages=0")).await;
    }
    let log = host.stop().await;
    assert_eq!(log.matches("event close").count(), 2, "{log}");
}

#[tokio::test]
async fn p20_an_end_within_a_message_is_no_message() {
    let host = probe().start().await;
    let mut raw = Raw::open(&host, "/").await;
    raw.send(&text(b"print called").unfinished().bytes()).await;
    raw.send(&more(b"and more").bytes()[..8]).await;
    drop(raw);
    host.wait_log("event close id=1 code=none reason=\"\" cause=network messages=0").await;
    assert!(!host.stop().await.contains(" called"));
}

#[tokio::test]
async fn p22_one_byte_per_segment_works() {
    let host = probe().start().await;
    let mut raw = Raw::connect(host.addr()).await;
    let request = crate::support::raw::Request::upgrade(&host, "/").text();
    // The ping first: its pong does not wait for a guest that is interrupted.
    let frames = [Frame::new(PING, b"x"), text(b"id"), text(&[b'y'; 300]), Frame::new(CLOSE, b"\x03\xe8")];
    let bytes = frames.iter().flat_map(Frame::bytes);
    for byte in request.bytes().chain(bytes) {
        raw.send(&[byte]).await;
    }
    assert_eq!(raw.response().await.status, 101);
    for (opcode, length) in [(PONG, 1), (TEXT, 1), (TEXT, 318)] {
        let frame = raw.frame().await;
        assert!(frame.opcode == opcode && frame.payload.len() >= length, "{frame:?}");
    }
    raw.closed_with(1000).await;
    host.stop().await;
}

/// A segment with a byte costs about what a segment with a message does, however long its frame is.
#[tokio::test]
async fn p22_one_byte_per_segment_costs_little() {
    const SEGMENTS: usize = 3000;
    let host = TestHost::serving(guests::ECHO).start().await;
    let mut raw = Raw::open(&host, "/").await;
    raw.send_frame(BINARY, b"warm").await;
    raw.frame().await;
    let begun = host.processor_time();
    for _ in 0..SEGMENTS {
        raw.send_frame(BINARY, b"x").await;
        raw.frame().await;
    }
    let messages = host.processor_time() - begun;
    for byte in Frame::new(BINARY, &[7; SEGMENTS]).bytes() {
        raw.send(&[byte]).await;
    }
    assert_eq!(raw.frame().await.payload.len(), SEGMENTS);
    let bytes = host.processor_time() - begun - messages;
    assert!(bytes < messages * 5, "{bytes:?} for bytes, {messages:?} for messages");
    host.stop().await;
}

#[tokio::test]
async fn p01_to_p17_nothing_of_it_costs_another_connection() {
    let host = probe().and_serving("canary", guests::ECHO).route("/echo").start().await;
    let canary = Canary::start(&host, "/echo", 5).await;
    for case in headers().into_iter().chain(payloads()) {
        let mut raw = Raw::open(&host, "/").await;
        raw.send(&case.bytes).await;
        raw.close_frame().await;
    }
    canary.finish().await;
    let log = host.stop().await;
    assert!(!log.contains("panicked"), "{log}");
}
