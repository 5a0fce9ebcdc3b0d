//! Peers that take their time: with a message, with reading, with the answer to a close frame.

use std::time::{Duration, Instant};

use tokio::time::interval;

use super::{hits, probe};
use crate::support::raw::{BINARY, CONTINUATION, Frame, PING, TEXT};
use crate::support::{Canary, Raw};

/// The head of a frame of 10 MiB, and the mask.
fn announced() -> Vec<u8> {
    [Frame::new(BINARY, b"").head(10 << 20), vec![0; 4]].concat()
}

#[tokio::test]
async fn r05_a_message_that_does_not_go_on_ends_with_1008() {
    let host = probe().limit("message_time", "300ms").start().await;
    let canary = Canary::start(&host, "/echo", 2).await;
    let part = Frame::new(BINARY, b"part").unfinished().bytes();
    for bytes in [
        announced(),
        vec![0x82],
        [announced(), vec![7; 100_000]].concat(),
        part.clone(),
        [part.clone(), Frame::new(CONTINUATION, b"more").bytes()[..7].to_vec()].concat(),
        [part, Frame::new(PING, b"ping").bytes()].concat(),
        // Not a message, but as endless.
        Frame::new(PING, b"ping").bytes()[..7].to_vec(),
    ] {
        let mut raw = Raw::open(&host, "/").await;
        raw.send(&bytes).await;
        assert_eq!(raw.close_frame().await, Some((1008, "message too slow".to_owned())), "{bytes:02x?}");
        raw.ended().await;
    }
    let line = host.wait_log("limits.message_time: ").await;
    let expected = "limits.message_time: a message was not complete after 300ms; allowed: 300ms";
    assert!(line.contains(expected), "{line}");
    assert_eq!(host.metric(&hits("message_time")).await, 7.0);
    host.wait_log_count("cause=rate-limited messages=0", 7).await;
    canary.finish().await;
    host.stop().await;
}

#[tokio::test]
async fn r05_trickling_bytes_and_pings_give_a_message_no_more_time() {
    let host = probe().limit("message_time", "500ms").start().await;
    let mut raw = Raw::open(&host, "/").await;
    raw.send(&Frame::new(BINARY, b"part").unfinished().bytes()).await;
    let trickle = [Frame::new(CONTINUATION, b"x").unfinished().bytes(), Frame::new(PING, b"x").bytes()].concat();
    let (began, mut pace) = (Instant::now(), interval(Duration::from_millis(20)));
    for byte in trickle.repeat(100) {
        pace.tick().await;
        if began.elapsed() > Duration::from_millis(800) {
            break;
        }
        raw.send_anyway(&[byte]).await;
    }
    assert_eq!(raw.close_frame().await, Some((1008, "message too slow".to_owned())));
    host.stop().await;
}

#[tokio::test]
async fn r05_many_at_once_cost_little_memory() {
    const CONNECTIONS: usize = 300;
    let host = probe().limit("message_time", "1s").start().await;
    let canary = Canary::start(&host, "/echo", 2).await;
    let (mut raws, before) = (Vec::new(), host.resident_kib());
    for _ in 0..CONNECTIONS {
        let mut raw = Raw::open(&host, "/").await;
        raw.send(&announced()).await;
        raws.push(raw);
    }
    let grown = host.resident_kib().saturating_sub(before) / CONNECTIONS as u64;
    // Instances included.
    assert!(grown < 512, "{grown} KiB more for each");
    for raw in raws {
        raw.closed_with(1008).await;
    }
    host.wait_metric("whimbrel_connections{deployment=\"guest\"}", 0.0).await;
    canary.finish().await;
    host.stop().await;
}

#[tokio::test]
async fn r05_a_message_in_time_is_not_disturbed() {
    let host = probe().limit("message_time", "1s").start().await;
    let mut raw = Raw::open(&host, "/").await;
    // Many messages, each of them cut by the reads of the host, for longer than one may take.
    let frames = Frame::new(BINARY, &[7; 3000]).bytes().repeat(10);
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(2000) {
        let (first, rest) = frames.split_at(1234);
        raw.send(first).await;
        raw.send(rest).await;
        for _ in 0..10 {
            assert_eq!(raw.frame().await.payload, [7; 3000]);
        }
    }
    drop(raw);
    let log = host.stop().await;
    assert!(!log.contains("limits."), "{log}");
}

#[tokio::test]
async fn r06_a_peer_that_never_reads_is_let_go_without_keep_alive() {
    let host = probe()
        .limit("ping_interval", "off")
        .limit("execution", "5s")
        .limit("slow_consumer_time", "300ms")
        .limit("close_timeout", "200ms")
        .start()
        .await;
    let canary = Canary::start(&host, "/echo", 2).await;
    let mut raw = Raw::open(&host, "/").await;
    // Less than may wait, so that no message is ever refused; more than the kernel takes.
    raw.send_frame(TEXT, b"burst 150 100000").await;
    let line = host.wait_log("limits.slow_consumer_time: ").await;
    assert!(line.contains("the peer did not take what waits for 300ms; allowed: 300ms"), "{line}");
    host.wait_log("event close id=3 code=none reason=\"\" cause=slow-consumer").await;
    assert_eq!(host.metric(&hits("slow_consumer_time")).await, 1.0);
    assert_eq!(host.metric(&hits("outbound")).await, 0.0);
    drop(raw);
    canary.finish().await;
    host.stop().await;
}

#[tokio::test]
async fn r08_a_peer_that_ignores_our_close_is_dropped_at_close_timeout() {
    let host = probe().limit("close_timeout", "500ms").start().await;
    let canary = Canary::start(&host, "/echo", 2).await;
    for (id, meanwhile) in [(3, Vec::new()), (4, Frame::new(PING, b"x").bytes()), (5, Frame::new(TEXT, b"").bytes())] {
        let mut raw = Raw::open(&host, "/").await;
        raw.send_frame(TEXT, b"close 1000 bye").await;
        assert_eq!(raw.close_frame().await, Some((1000, "bye".to_owned())));
        let (began, mut pace) = (Instant::now(), interval(Duration::from_millis(50)));
        while began.elapsed() < Duration::from_millis(300) {
            pace.tick().await;
            raw.send_anyway(&meanwhile).await;
        }
        raw.ended().await;
        let close = host.wait_log(&format!("event close id={id} ")).await;
        assert!(close.contains("code=none reason=\"\" cause=guest"), "{close}");
    }
    host.wait_log("limits.close_timeout: no answer to a close frame for 500ms; allowed: 500ms").await;
    assert_eq!(host.metric(&hits("close_timeout")).await, 3.0);
    canary.finish().await;
    host.stop().await;
}

#[tokio::test]
async fn a_dead_peer_is_counted() {
    let host = probe().limit("ping_interval", "100ms").limit("ping_timeout", "100ms").start().await;
    let mut raw = Raw::open(&host, "/").await;
    assert_eq!(raw.frame().await.opcode, PING);
    raw.ended().await;
    host.wait_log("limits.ping_timeout: nothing came for 100ms after a ping; allowed: 100ms").await;
    assert_eq!(host.metric(&hits("ping_timeout")).await, 1.0);
    host.stop().await;
}

/// The pong comes too late, but bytes do: a slow upload is life.
#[tokio::test]
async fn bytes_within_a_frame_are_life() {
    let host = probe().limit("ping_interval", "1s").limit("ping_timeout", "1s").start().await;
    let mut raw = Raw::open(&host, "/").await;
    let (frame, mut pace) = (Frame::new(BINARY, &[7; 30]).bytes(), interval(Duration::from_millis(100)));
    for byte in frame {
        pace.tick().await;
        raw.send(&[byte]).await;
    }
    while raw.frame().await.opcode == PING {}
    host.stop().await;
}
