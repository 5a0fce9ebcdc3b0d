//! Instances that have come to a mark are replaced between two events, and no connection notices.

use tokio::task::JoinSet;

use crate::support::host::Builder;
use crate::support::metrics::Metrics;
use crate::support::raw::{CLOSE, TEXT};
use crate::support::{Client, Raw, TestHost, guests};

fn handover(events: &str) -> Builder {
    TestHost::serving(guests::HANDOVER)
        .limit("recycle_events", events)
        .limit("log_lines", "10000")
        .host("metrics = \"127.0.0.1:0\"")
        .argument("--log-level=info,whimbrel::connection=debug")
}

async fn recycled(host: &TestHost, reason: &str) -> f64 {
    let metric = format!("whimbrel_recycled_total{{deployment=\"guest\",reason=\"{reason}\"}}");
    Metrics::read(host).await.value(&metric)
}

#[tokio::test]
async fn state_and_attachments_survive() {
    let host = handover("3").start().await;
    let mut client = Client::connect(&host, "/").await;
    // `open` is the first event.
    for (number, generation) in [(1, 0), (2, 0), (3, 1), (4, 1), (5, 1), (6, 2)] {
        let expected = format!("a messages={number} total={number} generation={generation}");
        assert_eq!(client.ask("a").await, expected);
    }
    assert_eq!(recycled(&host, "events").await, 2.0);
    host.wait_log("restored 1 connections").await;
    host.wait_log("instance replaced").await;
    client.close(1000, "").await;
    host.wait_log("closed 1 messages=6 total=6 generation=2").await;
    host.stop().await;
}

#[tokio::test]
async fn a_pipelined_burst_keeps_its_order_with_an_instance_per_event() {
    const MESSAGES: u32 = 300;
    let host = handover("1").start().await;
    let mut raw = Raw::open(&host, "/").await;
    for number in 1..=MESSAGES {
        raw.send_frame(TEXT, number.to_string().as_bytes()).await;
    }
    for number in 1..=MESSAGES {
        let frame = raw.frame().await;
        let expected = format!("{number} messages={number} total={number} generation={number}");
        assert_eq!((frame.opcode, String::from_utf8(frame.payload).as_deref()), (TEXT, Ok(&*expected)));
    }
    raw.send_frame(CLOSE, &1000_u16.to_be_bytes()).await;
    assert_eq!(raw.frame().await.opcode, CLOSE);
    host.wait_log(&format!("closed 1 messages={MESSAGES} total={MESSAGES}")).await;
    host.stop().await;
}

#[tokio::test]
async fn many_connections_lose_nothing_with_an_instance_per_event() {
    const CLIENTS: u32 = 20;
    const MESSAGES: u32 = 50;
    let host = handover("1").start().await;
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let mut client = Client::connect(&host, "/").await;
        clients.spawn(async move {
            for number in 1..=MESSAGES {
                let expected = format!("m messages={number} total={number} generation={number}");
                assert_eq!(client.ask("m").await, expected);
            }
            client.close(1000, "").await;
        });
    }
    clients.join_all().await;
    host.wait_log_count("connection closed", CLIENTS as usize).await;
    let metrics = Metrics::read(&host).await;
    let count = |name: &str| metrics.value(&format!("{name}{{deployment=\"guest\"}}"));
    assert_eq!(count("whimbrel_messages_received_total"), f64::from(CLIENTS * MESSAGES));
    assert_eq!(count("whimbrel_instances"), 0.0, "{}", metrics.text);
    host.stop().await;
}

#[tokio::test]
async fn memory_that_has_come_to_the_mark_is_given_back() {
    let host =
        TestHost::serving(guests::HANDOVER).limit("recycle_at", "4MiB").host("metrics = \"127.0.0.1:0\"").start().await;
    let mut client = Client::connect(&host, "/").await;
    assert_eq!(client.ask("grow 1").await, "grow 1 messages=1 total=1 generation=0");
    assert_eq!(client.ask("grow 5").await, "grow 5 messages=2 total=2 generation=0");
    assert_eq!(client.ask("a").await, "a messages=3 total=3 generation=1");
    assert_eq!(client.ask("a").await, "a messages=4 total=4 generation=1");
    assert_eq!(recycled(&host, "memory").await, 1.0);
    drop(client);
    host.stop().await;
}

#[tokio::test]
async fn a_mark_that_every_instance_is_over_is_not_chased() {
    let host = TestHost::serving(guests::HANDOVER)
        .limit("recycle_at", "64KiB")
        .host("metrics = \"127.0.0.1:0\"")
        .start()
        .await;
    let mut client = Client::connect(&host, "/").await;
    for _ in 0..60 {
        client.ask("a").await;
    }
    // After `open`, then after 1, 2, 4, 8 and 16 further events; the next one after 32.
    assert_eq!(recycled(&host, "memory").await, 6.0);
    drop(client);
    host.stop().await;
}

#[tokio::test]
async fn what_does_not_hand_over_goes_on() {
    for (how, reason, trap) in [
        ("decline", "its guest declined: not\\nnow", None),
        ("restore fails", "its successor refused the state: that is no state", None),
        ("restore panics", "its successor trapped in restore: ", Some("function=\"restore\"")),
    ] {
        let host = handover("2").start().await;
        let mut client = Client::connect(&host, "/").await;
        let said = client.ask(&format!("misbehave {how}")).await;
        assert_eq!(said, format!("misbehave {how} messages=1 total=1 generation=0"));
        // The old one answers once more; the next attempt succeeds.
        assert_eq!(client.ask("a").await, "a messages=2 total=2 generation=0");
        assert_eq!(client.ask("a").await, "a messages=3 total=3 generation=1");
        let line = host.wait_log("the instance is not replaced").await;
        assert!(line.contains("WARN") && line.contains(reason), "{line}");
        if let Some(function) = trap {
            host.wait_log(function).await;
        }
        drop(client);
        host.stop().await;
    }
}

#[tokio::test]
async fn without_a_free_instance_the_old_one_goes_on() {
    let host =
        TestHost::serving(guests::HANDOVER).limit("recycle_events", "2").host("[host]\ninstances = 2").start().await;
    let mut client = Client::connect(&host, "/").await;
    let other = Client::connect(&host, "/").await;
    assert_eq!(client.ask("a").await, "a messages=1 total=1 generation=0");
    assert_eq!(client.ask("a").await, "a messages=2 total=2 generation=0");
    host.wait_log_count("the instance is not replaced: no instance is free", 2).await;
    other.close(1000, "").await;
    // Two events after the second attempt there is one.
    assert_eq!(client.ask("a").await, "a messages=3 total=3 generation=0");
    assert_eq!(client.ask("a").await, "a messages=4 total=4 generation=0");
    assert_eq!(client.ask("a").await, "a messages=5 total=5 generation=1");
    drop(client);
    host.stop().await;
}

#[tokio::test]
async fn a_peer_that_leaves_during_a_hand_over_is_told_of_once() {
    let host = handover("1").start().await;
    for connection in 1..=30 {
        let mut raw = Raw::open(&host, "/").await;
        // While the burst is worked off, each event has its own instance.
        for _ in 0..10 {
            raw.send_frame(TEXT, b"a").await;
        }
        drop(raw);
        host.wait_log(&format!("closed {connection} messages=")).await;
    }
    let log = host.stop().await;
    assert_eq!(log.matches("INFO closed ").count(), 30, "{log}");
    assert!(!log.contains("ERROR"), "{log}");
}

#[tokio::test]
async fn a_snapshot_that_traps_ends_the_connection() {
    for (how, kind) in [("panics", "fault"), ("spins", "execution")] {
        let host = handover("2").limit("start_time", "500ms").start().await;
        let mut client = Client::connect(&host, "/").await;
        client.text(&format!("misbehave snapshot {how}")).await;
        assert!(client.receive_text().await.starts_with("misbehave"));
        client.closed_with(1011).await;
        let line = host.wait_log("function=\"snapshot\"").await;
        assert!(line.contains(&format!("kind=\"{kind}\"")), "{line}");
        let log = host.stop().await;
        assert!(!log.contains("closed 1 messages"), "{log}");
    }
}

#[tokio::test]
async fn without_lifecycle_a_connection_keeps_its_instance() {
    let host = TestHost::serving(guests::PROBE).limit("recycle_events", "1").start().await;
    let mut client = Client::connect(&host, "/").await;
    for count in ["1", "2", "3"] {
        assert_eq!(client.ask("count").await, count);
    }
    drop(client);
    host.stop().await;
}
