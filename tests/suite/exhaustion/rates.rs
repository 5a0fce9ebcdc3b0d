//! Peers that are faster than `messages_per_second` and `bytes_per_second`: they wait, and lose nothing; then they go.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;

use super::{hits, probe};
use crate::support::raw::{BINARY, Frame, PING, PONG};
use crate::support::{Canary, Raw, within};

#[tokio::test]
async fn r09_messages_over_the_rate_wait_and_all_arrive() {
    let host = probe().limit("messages_per_second", "20").start().await;
    let canary = Canary::start(&host, "/echo", 2).await;
    let mut raw = Raw::open(&host, "/").await;
    let began = Instant::now();
    for number in 0..60 {
        raw.send_frame(BINARY, &[number]).await;
    }
    for number in 0..60 {
        assert_eq!(raw.frame().await.payload, [number]);
    }
    // Twenty at once, the rest at twenty a second.
    assert!(began.elapsed() >= Duration::from_millis(1800), "{:?}", began.elapsed());
    drop(raw);
    canary.finish().await;
    let log = host.stop().await;
    assert!(!log.contains("limits."), "{log}");
}

#[tokio::test]
async fn r09_a_message_larger_than_the_rate_passes() {
    const SIZE: usize = 50_000;
    // The time in which nothing is read is not the message's.
    let host = probe().limit("bytes_per_second", "20000B").limit("message_time", "300ms").start().await;
    let mut raw = Raw::open(&host, "/").await;
    let began = Instant::now();
    raw.send_frame(BINARY, &[7; SIZE]).await;
    assert_eq!(raw.frame().await.payload, [7; SIZE]);
    assert!(began.elapsed() >= Duration::from_millis(1400), "{:?}", began.elapsed());
    drop(raw);
    let log = host.stop().await;
    assert!(!log.contains("limits."), "{log}");
}

#[tokio::test]
async fn r09_a_peer_that_is_not_read_is_not_taken_for_dead() {
    let host = probe()
        .limit("messages_per_second", "1")
        .limit("ping_interval", "100ms")
        .limit("ping_timeout", "100ms")
        .start()
        .await;
    let mut raw = Raw::open(&host, "/").await;
    raw.send(&Frame::new(BINARY, b"x").bytes().repeat(3)).await;
    let mut echoed = 0;
    while echoed < 3 {
        let frame = raw.frame().await;
        match frame.opcode {
            PING => raw.send_frame(PONG, &frame.payload).await,
            _ => echoed += 1,
        }
    }
    drop(raw);
    let log = host.stop().await;
    assert!(!log.contains("limits.ping_timeout"), "{log}");
}

#[tokio::test]
async fn r10_a_peer_that_stays_faster_is_closed_with_1008() {
    for (limit, value, reason, allowed) in [
        ("messages_per_second", "20", "too many messages", "20 per second"),
        ("bytes_per_second", "1KiB", "too many bytes", "1KiB per second"),
    ] {
        let host = probe().limit(limit, value).limit("rate_time", "500ms").start().await;
        let canary = Canary::start(&host, "/echo", 2).await;
        let (mut reading, mut writing) = Raw::open(&host, "/").await.into_stream().into_split();
        let flooding = tokio::spawn(async move {
            let frames = Frame::new(BINARY, &[7; 100]).bytes().repeat(10);
            while writing.write_all(&frames).await.is_ok() {}
        });
        let mut end = Vec::new();
        let _ = within("the end of the connection", tokio::io::AsyncReadExt::read_to_end(&mut reading, &mut end)).await;
        within("the end of the flood", flooding).await.expect("no panic");
        let close = [&[0x88, 2 + reason.len() as u8, 3, 0xf0], reason.as_bytes()].concat();
        assert!(end.ends_with(&close), "{limit}: {} bytes without a 1008", end.len());
        let line = host.wait_log(&format!("limits.{limit}: ")).await;
        let expected = format!("the peer was faster for 500ms (limits.rate_time); allowed: {allowed}");
        assert!(line.contains(&expected), "{line}");
        host.wait_log("cause=rate-limited").await;
        assert_eq!(host.metric(&hits(limit)).await, 1.0);
        canary.finish().await;
        host.stop().await;
    }
}
