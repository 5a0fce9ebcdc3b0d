//! SIGTERM and ctrl-c: what the peers, the handlers and the operator see of a host that stops.

use rustix::process::Signal;
use tokio::net::TcpStream;

use crate::support::host::Builder;
use crate::support::raw::{CLOSE, Frame, TEXT};
use crate::support::{Client, Raw, TestHost, guests, within};

fn probe() -> Builder {
    TestHost::serving(guests::PROBE).limit("log_lines", "10000")
}

#[tokio::test]
async fn f02_both_signals_close_every_connection_with_1001_and_end_with_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let host = probe().start().await;
        let mut clients = Vec::new();
        for _ in 0..20 {
            clients.push(Client::connect(&host, "/").await);
        }
        host.wait_log_count("event open", 20).await;
        host.signal(signal);
        for client in clients {
            assert_eq!(client.closed().await, Some((1001, "the host is going away".to_owned())));
        }
        let ended = host.ended().await;
        assert_eq!(ended.status.code(), Some(0), "{}", ended.log);
        let told = "code=1001 reason=\"the host is going away\" cause=drained messages=0";
        assert_eq!(ended.log.matches(told).count(), 20, "{}", ended.log);
        assert!(!ended.log.contains("WARN") && !ended.log.contains("ERROR"), "{}", ended.log);
    }
}

#[tokio::test]
async fn f02_what_was_received_is_answered_first() {
    let host = probe().start().await;
    let mut raw = Raw::open(&host, "/").await;
    let commands = ["print started\nsleep 500", "count", "send last"];
    raw.send(&commands.map(|text| Frame::new(TEXT, text.as_bytes()).bytes()).concat()).await;
    host.wait_log(" started ").await;
    host.signal(Signal::TERM);
    for expected in ["ok", "ok", "2", "last", "ok "] {
        let answer = String::from_utf8(raw.frame().await.payload).expect("text");
        assert!(answer.starts_with(expected), "{answer} instead of {expected}");
    }
    let close = raw.frame().await;
    assert_eq!((close.opcode, close.close().map(|(code, _)| code)), (CLOSE, Some(1001)));
    raw.send_close(1001, "").await;
    raw.ended().await;
    let ended = host.ended().await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.log);
    assert!(ended.log.contains("cause=drained messages=3"), "{}", ended.log);
}

#[tokio::test]
async fn nobody_new_is_let_in() {
    let host = probe().start().await;
    let mut raw = Raw::open(&host, "/").await;
    host.wait_log("event open").await;
    // It has asked nothing, and is not waited for.
    let idle = Raw::connect(host.addr()).await;
    host.signal(Signal::TERM);
    assert_eq!(raw.close_frame().await.map(|(code, _)| code), Some(1001));
    idle.ended().await;
    let address = host.addr();
    let refused = async { while TcpStream::connect(address).await.is_ok() {} };
    within("the listener to close", refused).await;
    raw.send_close(1001, "").await;
    assert_eq!(host.ended().await.status.code(), Some(0));
}

#[tokio::test]
async fn f03_a_second_signal_ends_the_process_at_once() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let host = probe().limit("close_timeout", "60s").host("shutdown_grace = \"60s\"").start().await;
        let mut raw = Raw::open(&host, "/").await;
        host.wait_log("event open").await;
        host.signal(signal);
        assert_eq!(raw.close_frame().await.map(|(code, _)| code), Some(1001));
        // No answer: the host would wait.
        host.signal(signal);
        let ended = host.ended().await;
        assert_eq!(ended.status.code(), Some(code), "{}", ended.log);
        assert!(!ended.log.contains("event close"), "{}", ended.log);
    }
}

#[tokio::test]
async fn a_peer_that_does_not_answer_is_left_after_the_close_timeout() {
    let host = probe().limit("close_timeout", "200ms").host("shutdown_grace = \"60s\"").start().await;
    let mut raw = Raw::open(&host, "/").await;
    host.wait_log("event open").await;
    host.signal(Signal::TERM);
    assert_eq!(raw.close_frame().await.map(|(code, _)| code), Some(1001));
    raw.ended().await;
    let ended = host.ended().await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.log);
    assert!(ended.log.contains("code=none reason=\"\" cause=drained"), "{}", ended.log);
}

#[tokio::test]
async fn the_grace_period_is_kept() {
    let host = probe().limit("close_timeout", "60s").limit("event_time", "60s");
    let host = host.host("shutdown_grace = \"300ms\"").start().await;
    let mut silent = Raw::open(&host, "/").await;
    let mut busy = Raw::open(&host, "/").await;
    busy.send_frame(TEXT, b"print started\nsleep 60000").await;
    host.wait_log(" started ").await;
    host.signal(Signal::TERM);
    assert_eq!(silent.close_frame().await.map(|(code, _)| code), Some(1001));
    let ended = host.ended().await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.log);
    assert!(ended.log.contains("shutdown_grace is over; connections are dropped open=2"), "{}", ended.log);
    silent.rest().await;
    busy.rest().await;
}

#[tokio::test]
async fn a_trap_does_not_hold_it_up() {
    let host = probe().start().await;
    let mut client = Client::connect(&host, "/").await;
    client.text("print started\nsleep 200\npanic on the way out").await;
    host.wait_log(" started ").await;
    host.signal(Signal::TERM);
    assert_eq!(client.closed().await.map(|(code, _)| code), Some(1011));
    assert_eq!(host.ended().await.status.code(), Some(0));
}
