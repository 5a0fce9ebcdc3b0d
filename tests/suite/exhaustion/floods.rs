//! Frames without end: pings, pongs, fragments.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{hits, probe};
use crate::support::raw::{BINARY, CONTINUATION, Frame, PING, PONG, TEXT};
use crate::support::{Canary, Client, Raw, TestHost, within};

/// Sends until the host ends the connection; yields how many bytes it could be given.
async fn flood(stream: &mut TcpStream, bytes: &[u8]) -> usize {
    let flooding = async {
        let mut sent = 0;
        while stream.write_all(bytes).await.is_ok() {
            sent += bytes.len();
        }
        sent
    };
    within("the end of a flood", flooding).await
}

/// A peer that floods and does not read is let go, and costs neither memory nor its neighbours.
async fn is_let_go(opcode: u8) {
    let host = probe().start().await;
    let canary = Canary::start(&host, "/echo", 5).await;
    let before = host.resident_kib();
    let mut stream = Raw::open(&host, "/").await.into_stream();
    let frames = Frame::new(opcode, &[b'x'; 125]).bytes().repeat(500);
    flood(&mut stream, &frames).await;
    let line = host.wait_log("limits.control_frames: ").await;
    let expected = "limits.control_frames: too many pings and pongs; allowed: 100 per second";
    assert!(line.contains(expected) && line.contains("deployment=\"guest\" connection=6"), "{line}");
    host.wait_log("event close id=6 code=none reason=\"\" cause=rate-limited").await;
    let grown = host.resident_kib().saturating_sub(before);
    assert!(grown < 8 * 1024, "{grown} KiB more");
    assert_eq!(host.metric(&hits("control_frames")).await, 1.0);
    canary.finish().await;
    host.stop().await;
}

#[tokio::test]
async fn r01_a_peer_that_floods_with_pings_and_does_not_read_is_let_go() {
    is_let_go(PING).await;
}

#[tokio::test]
async fn r02_a_peer_that_floods_with_pongs_is_let_go() {
    is_let_go(PONG).await;
}

/// It is told why, though it has sent far more than the host reads before the end.
#[tokio::test]
async fn r01_r02_a_flooding_peer_that_reads_is_told_why() {
    let host = probe().start().await;
    for opcode in [PING, PONG].repeat(5) {
        let mut raw = Raw::open(&host, "/").await;
        // Some 5 MB, all before it reads: it must not be reset meanwhile.
        raw.send(&Frame::new(opcode, &[b'x'; 125]).bytes().repeat(40_000)).await;
        assert_eq!(raw.close_frame().await, Some((1008, "too many control frames".to_owned())));
        raw.ended().await;
    }
    host.stop().await;
}

#[tokio::test]
async fn r01_pings_within_the_limit_are_answered() {
    let host = probe().start().await;
    let mut raw = Raw::open(&host, "/").await;
    raw.send(&Frame::new(PING, b"x").bytes().repeat(1000)).await;
    for _ in 0..1000 {
        assert_eq!(raw.frame().await.opcode, PONG);
    }
    raw.send_frame(TEXT, b"id").await;
    assert_eq!(raw.frame().await.payload, b"1");
    host.stop().await;
}

#[tokio::test]
async fn r02_pongs_that_answer_pings_are_no_flood() {
    let host =
        probe().limit("control_frames", "1").limit("ping_interval", "20ms").limit("ping_timeout", "off").start().await;
    let mut raw = Raw::open(&host, "/").await;
    raw.send_frame(TEXT, "ping guest\n".repeat(100).as_bytes()).await;
    let mut answered = 0;
    while answered < 120 {
        let frame = raw.frame().await;
        if frame.opcode == PING {
            raw.send_frame(PONG, &frame.payload).await;
            answered += 1;
        }
    }
    // Ten are free, and none is owed for the answers.
    raw.send(&Frame::new(PONG, b"").bytes().repeat(5)).await;
    raw.send_frame(BINARY, b"still here").await;
    while raw.frame().await.payload != b"still here" {}
    drop(raw);
    let log = host.stop().await;
    assert!(!log.contains("limits.control_frames"), "{log}");
}

/// Sends a message in many fragments; the host ends the connection before the last.
async fn is_too_much(host: &TestHost, id: u32, fragment: &[u8]) {
    let mut raw = Raw::open(host, "/").await;
    let fragments = Frame::new(CONTINUATION, fragment).unfinished().bytes().repeat(2000);
    raw.send(&[Frame::new(TEXT, b"x").unfinished().bytes(), fragments].concat()).await;
    assert_eq!(raw.close_frame().await, Some((1008, "too many fragments".to_owned())));
    raw.ended().await;
    let close = format!("event close id={id} code=none reason=\"\" cause=rate-limited messages=0");
    host.wait_log(&close).await;
}

#[tokio::test]
async fn r03_r04_endless_fragments_end_with_1008() {
    let host = probe().start().await;
    let canary = Canary::start(&host, "/echo", 2).await;
    is_too_much(&host, 3, b"").await;
    let line = host.wait_log("limits.fragments: ").await;
    assert!(line.contains("limits.fragments: a message in 1025 fragments; allowed: 1024"), "{line}");
    is_too_much(&host, 4, b"x").await;
    assert_eq!(host.metric(&hits("fragments")).await, 2.0);
    canary.finish().await;
    host.stop().await;
}

/// Fragments of 16 bytes are as many as a peer likes, and none of them leads to a call of the guest that would end a turn.
#[tokio::test]
async fn r04_fragments_that_are_allowed_delay_nobody() {
    const FRAGMENTS: usize = 200_000;
    let host = probe().host("workers = 1").start().await;
    let mut other = Client::connect(&host, "/echo").await;
    let (mut reading, mut writing) = Raw::open(&host, "/").await.into_stream().into_split();
    let flooding = tokio::spawn(async move {
        let chunk = Frame::new(CONTINUATION, &[b'x'; 16]).unfinished().bytes().repeat(FRAGMENTS / 100);
        writing.write_all(&Frame::new(BINARY, b"").unfinished().bytes()).await.expect("the host reads");
        for _ in 0..100 {
            writing.write_all(&chunk).await.expect("the host reads");
        }
        writing.write_all(&Frame::new(CONTINUATION, b"").bytes()).await.expect("the host reads");
        let mut echo = vec![0; FRAGMENTS * 16];
        reading.read_exact(&mut echo).await.expect("the message comes back");
    });
    for number in 0..5 {
        assert_eq!(other.ask(&number.to_string()).await, number.to_string());
    }
    assert!(!flooding.is_finished(), "{FRAGMENTS} fragments passed before five round trips");
    within("the end of the flood", flooding).await.expect("the message comes back");
    drop(other);
    host.stop().await;
}
