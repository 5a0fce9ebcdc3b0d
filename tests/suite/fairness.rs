//! A deployment's part of the worker threads: whatever one does, the others get theirs. All on one thread, where it is
//! hardest.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::JoinSet;

use crate::support::host::Builder;
use crate::support::metrics::Metrics;
use crate::support::raw::{Frame, TEXT};
use crate::support::{Client, Raw, TestHost, guests, within};

/// Of the innocent deployment; with a hundred events of 10 ms before each they would take many times as long as a test
/// may.
const ROUND_TRIPS: u64 = 50;

/// A hostile deployment at `/` and an innocent one at `/echo`.
fn neighbours() -> Builder {
    TestHost::serving(guests::PROBE)
        .name("hostile")
        .and_serving("echo", guests::MINIMAL)
        .route("/echo")
        .host("workers = 1\nmetrics = \"127.0.0.1:0\"")
}

async fn round_trips(client: &mut Client) {
    let all = async {
        for number in 0..ROUND_TRIPS {
            assert_eq!(client.ask(&number.to_string()).await, number.to_string());
        }
    };
    within("the innocent's round trips", all).await;
}

async fn waits(host: &TestHost) -> f64 {
    Metrics::read(host).await.value("whimbrel_share_waits_total{deployment=\"hostile\"}")
}

#[tokio::test]
async fn g05_a_hundred_endless_loops_delay_no_other_deployment() {
    let host = neighbours().limit("execution", "10s").start().await;
    let mut spinning = Vec::new();
    for _ in 0..100 {
        spinning.push(Client::connect(&host, "/").await);
    }
    for client in &mut spinning {
        client.text("spin").await;
    }
    // A newcomer, too.
    let mut canary = Client::connect(&host, "/echo").await;
    round_trips(&mut canary).await;
    let line = host.wait_log("limits.execution_share: a call waited for ").await;
    assert!(line.contains("allowed: 50% of 1 worker thread"), "{line}");
    assert!(line.contains("deployment=\"hostile\""), "{line}");
    drop((spinning, canary));
}

#[tokio::test]
async fn g05_events_just_below_the_limit_get_their_share_and_no_more() {
    let host = neighbours().start().await;
    let mut canary = Client::connect(&host, "/echo").await;
    let mut clients = Vec::new();
    for _ in 0..40 {
        clients.push(Client::connect(&host, "/").await);
    }
    let (mut busy, done) = (JoinSet::new(), Arc::new(AtomicU64::new(0)));
    for mut client in clients {
        let done = done.clone();
        busy.spawn(async move {
            loop {
                assert_eq!(client.ask("work 8").await, "ok");
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let (before, mut passed, mut events) = (done.load(Ordering::Relaxed), 0, 0);
    while events < 40 {
        round_trips(&mut canary).await;
        passed += ROUND_TRIPS;
        events = done.load(Ordering::Relaxed) - before;
    }
    // With all of them before each round trip it would be forty times as many.
    assert!(events < 10 * passed, "{events} events during {passed} round trips");
    assert!(waits(&host).await > 0.0);
    busy.shutdown().await;
}

#[tokio::test]
async fn g05_a_flood_of_short_events_waits_too() {
    let host = neighbours().start().await;
    let mut canary = Client::connect(&host, "/echo").await;
    let mut flood = JoinSet::new();
    for _ in 0..16 {
        let stream = Raw::open(&host, "/").await.into_stream();
        flood.spawn(async move {
            let (mut reader, mut writer) = stream.into_split();
            let burst = Frame::new(TEXT, b"count").bytes().repeat(1000);
            let write = async { while tokio::io::AsyncWriteExt::write_all(&mut writer, &burst).await.is_ok() {} };
            let mut sink = tokio::io::sink();
            let read = tokio::io::copy(&mut reader, &mut sink);
            tokio::join!(write, read)
        });
    }
    let all = async {
        while waits(&host).await == 0.0 {
            round_trips(&mut canary).await;
        }
    };
    within("the flood to wait", all).await;
    flood.shutdown().await;
}

#[tokio::test]
async fn g05_a_deployment_that_is_alone_gets_everything() {
    let host = neighbours().limit("execution_share", "1%").start().await;
    let mut busy = JoinSet::new();
    for _ in 0..20 {
        let mut client = Client::connect(&host, "/").await;
        busy.spawn(async move {
            for _ in 0..10 {
                assert_eq!(client.ask("work 8").await, "ok");
            }
        });
    }
    // At 1% of one thread it would take two minutes and a half.
    while let Some(ended) = within("1.6 s of work", busy.join_next()).await {
        ended.expect("every event is answered");
    }
    assert_eq!(waits(&host).await, 0.0);
    let executed = "whimbrel_execution_microseconds_total{deployment=\"hostile\"}";
    let metrics = Metrics::read(&host).await;
    assert!(metrics.value(executed) >= 160_000.0, "{}", metrics.text);
    host.stop().await;
}

#[tokio::test]
async fn g05_waiting_for_the_share_is_no_time_of_the_event() {
    let host = neighbours().limit("event_time", "800ms").start().await;
    let mut spinning = Vec::new();
    for _ in 0..16 {
        spinning.push(Client::connect(&host, "/").await);
    }
    for client in &mut spinning {
        client.text("spin").await;
    }
    // One after the other they take 1.6 s.
    for client in spinning {
        client.closed_with(1011).await;
    }
    host.wait_metric("whimbrel_traps_total{deployment=\"hostile\",kind=\"execution\"}", 16.0).await;
    assert!(!host.log_text().contains("limits.event_time"), "{}", host.log_text());
    host.stop().await;
}
