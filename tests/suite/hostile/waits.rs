//! Waiting in the host without an end, and handles without number.

use super::{canary, counted, host, settled, stop};
use crate::support::raw::TEXT;
use crate::support::{Client, Raw, TestHost, guests};

/// The guest waits for ever and is ended for the time of its event.
async fn times_out(host: &TestHost) {
    let line =
        host.wait_log("the handler trapped: limits.event_time: 300ms passed in one event, waiting included").await;
    assert!(line.contains("ERROR"), "{line}");
    host.wait_log("kind=\"time\"").await;
    counted(host, "event_time").await;
}

#[tokio::test]
async fn g17_for_a_peer_that_never_reads() {
    let host = host(guests::HOSTILE).limit("event_time", "300ms").limit("execution", "5s").start().await;
    let canary = canary(&host).await;
    let mut raw = Raw::open(&host, "/").await;
    // More than the kernel takes.
    raw.send_frame(TEXT, b"drained 16000000").await;
    times_out(&host).await;
    drop(raw);
    canary.finish().await;
    stop(host).await;
}

#[tokio::test]
async fn g17_for_a_time_that_never_comes() {
    let host = host(guests::HOSTILE).limit("event_time", "300ms").start().await;
    let canary = canary(&host).await;
    let mut client = Client::connect(&host, "/").await;
    client.text("sleep 4000000000").await;
    client.closed_with(1011).await;
    times_out(&host).await;
    canary.finish().await;
    stop(host).await;
}

#[tokio::test]
async fn g16_for_no_time_again_and_again() {
    let host = host(guests::REARMS).limit("event_time", "1s").start().await;
    let canary = canary(&host).await;
    let mut client = Client::connect(&host, "/").await;
    client.text("forever").await;
    client.closed_with(1011).await;
    // Each wait takes a moment, so that the time may be over before the execution.
    let line = host.wait_log("the handler trapped: ").await;
    assert!(line.contains("limits.execution: 100ms") || line.contains("limits.event_time: 1s"), "{line}");
    canary.finish().await;
    stop(host).await;
}

#[tokio::test]
async fn g15_for_a_million_timers_in_one_list() {
    ends_for_its_handles(guests::POLLS, "store handle limit exceeded").await;
}

#[tokio::test]
async fn g14_g15_a_million_timers() {
    ends_for_its_handles(guests::TIMERS, "resource table").await;
}

#[tokio::test]
async fn g14_a_million_resources_of_its_own() {
    ends_for_its_handles(guests::RESOURCES, "store handle limit exceeded").await;
}

async fn ends_for_its_handles(guest: &str, text: &str) {
    let host = host(guest).limit("execution", "5s").start().await;
    let canary = canary(&host).await;
    let mut client = Client::connect(&host, "/").await;
    client.text("forever").await;
    client.closed_with(1011).await;
    let line = host.wait_log("the handler trapped: ").await;
    assert!(line.contains(text), "{line}");
    canary.finish().await;
    settled(&host).await;
    stop(host).await;
}
