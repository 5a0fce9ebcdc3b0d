//! Limits from outside: what happens to the one who passes one, and that nobody else notices.

mod components;
pub(crate) mod connections;
mod exports;
mod instances;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::raw::{Frame, PING, PONG, TEXT};
use crate::support::{Client, Raw, TestHost, guests, within};

/// Sends a command of the probe that it does not survive.
async fn traps(host: &TestHost, command: &str) {
    let mut client = Client::connect(host, "/").await;
    client.text(command).await;
    client.closed_with(1011).await;
}

#[tokio::test]
async fn memory_ends_the_instance_that_wants_more() {
    let host = TestHost::serving(guests::PROBE).limit("memory", "16MiB").start().await;
    let mut other = Client::connect(&host, "/").await;
    assert_eq!(other.ask("grow 8").await, "ok");
    traps(&host, "grow 16").await;
    let line = host.wait_log("the handler trapped").await;
    assert!(line.contains("limits.memory: ") && line.contains(" wanted, 16.0 MiB allowed"), "{line}");
    // With the functions that wanted it, and no `on-close`.
    host.wait_log("kind=\"memory\"").await;
    assert!(host.log_text().contains("handle_alloc_error"), "{}", host.log_text());
    assert_eq!(other.ask("id").await, "1");
    other.close(1000, "").await;
    let log = host.stop().await;
    assert_eq!(log.matches("event close").count(), 1, "on-close of a trapped instance was called: {log}");
}

#[tokio::test]
async fn a_message_that_the_guests_memory_cannot_hold_ends_the_instance() {
    let host = TestHost::serving(guests::PROBE).limit("memory", "4MiB").start().await;
    let mut client = Client::connect(&host, "/").await;
    client.binary(&vec![7; 8 << 20]).await;
    client.closed_with(1011).await;
    let line = host.wait_log("the handler trapped").await;
    assert!(line.contains("limits.memory: ") && line.contains(" wanted, 4.0 MiB allowed"), "{line}");
    host.stop().await;
}

#[tokio::test]
async fn endless_recursion_is_a_trap() {
    let host = TestHost::serving(guests::PROBE).start().await;
    let mut other = Client::connect(&host, "/").await;
    // Rust's own stack, in linear memory, is used up before wasm's.
    traps(&host, "recurse").await;
    host.wait_log("the handler trapped: wasm trap: ").await;
    host.wait_log_count("recurse", 4).await;
    assert_eq!(other.ask("id").await, "1");
    drop(other);
    host.stop().await;
}

#[tokio::test]
async fn a_spinning_guest_ends_and_delays_nobody_meanwhile() {
    // On one thread, so that only the guest's yielding lets others run.
    let host = TestHost::serving(guests::PROBE)
        .limit("execution", "1s")
        .and_serving("echo", guests::MINIMAL)
        .route("/echo")
        .host("workers = 1")
        .start()
        .await;
    let mut same = Client::connect(&host, "/").await;
    let mut other = Client::connect(&host, "/echo").await;
    let mut spinning = Client::connect(&host, "/").await;
    spinning.text("spin").await;
    let spinning = tokio::spawn(spinning.closed_with(1011));
    for number in 0..10 {
        assert_eq!(other.ask(&number.to_string()).await, number.to_string());
        assert_eq!(same.ask("count").await, (number + 1).to_string());
    }
    let new = Client::connect(&host, "/echo").await;
    assert!(!spinning.is_finished(), "the guest's second passed before ten round trips");
    spinning.await.expect("closed with 1011");
    let line = host.wait_log("the handler trapped").await;
    assert!(line.contains("limits.execution: 1s of execution passed in one event"), "{line}");
    drop((same, other, new));
    host.stop().await;
}

#[tokio::test]
async fn a_flooding_peer_delays_nobody_meanwhile() {
    const MESSAGES: usize = 100_000;
    let host = TestHost::serving(guests::MINIMAL).host("workers = 1").start().await;
    let mut other = Client::connect(&host, "/").await;
    let (mut reading, mut writing) = Raw::open(&host, "/").await.into_stream().into_split();
    let writing = tokio::spawn(async move {
        let chunk = Frame::new(TEXT, &[b'x'; 30]).bytes().repeat(MESSAGES / 100);
        for _ in 0..100 {
            writing.write_all(&chunk).await.expect("the host reads");
        }
        writing
    });
    let flooding = tokio::spawn(async move {
        let mut echoed = vec![0; 32 * MESSAGES];
        reading.read_exact(&mut echoed).await.expect("every message comes back");
    });
    for number in 0..10 {
        assert_eq!(other.ask(&number.to_string()).await, number.to_string());
    }
    assert!(!flooding.is_finished(), "{MESSAGES} messages passed before ten round trips");
    within("the end of the flood", flooding).await.expect("every message comes back");
    drop((writing.await, other));
    host.stop().await;
}

#[tokio::test]
async fn a_busy_guest_costs_its_peer_no_pong() {
    let host = TestHost::serving(guests::PROBE)
        .limit("execution", "2s")
        .limit("close_timeout", "200ms")
        .host("workers = 1")
        .start()
        .await;
    let mut raw = Raw::open(&host, "/").await;
    raw.send_frame(TEXT, b"spin").await;
    for number in 0..5 {
        raw.send_frame(PING, &[number]).await;
        let pong = raw.frame().await;
        assert_eq!((pong.opcode, pong.payload), (PONG, vec![number]));
    }
    raw.closed_with(1011).await;
    host.stop().await;
}

#[tokio::test]
async fn the_time_per_event_counts_waiting() {
    let host = TestHost::serving(guests::PROBE).limit("event_time", "300ms").start().await;
    traps(&host, "sleep 600000").await;
    let line = host.wait_log("the handler trapped").await;
    assert!(line.contains("limits.event_time: 300ms passed in one event, waiting included"), "{line}");
    // Waiting costs no execution.
    let host = TestHost::serving(guests::PROBE).limit("execution", "50ms").start().await;
    let mut client = Client::connect(&host, "/").await;
    assert_eq!(client.ask("sleep 400").await, "ok");
    drop(client);
    host.stop().await;
}

#[tokio::test]
async fn open_has_the_start_time() {
    let host = TestHost::serving(guests::SPIN_OPEN).limit("start_time", "200ms").start().await;
    Client::connect(&host, "/").await.closed_with(1011).await;
    host.wait_log("the handler trapped: limits.start_time: 200ms").await;
    let log = host.stop().await;
    assert!(!log.contains("event close"), "on-close of what never opened was called: {log}");
}

#[tokio::test]
async fn an_open_that_fails_closes_with_1011_and_is_no_opening() {
    let host = TestHost::serving(guests::OPEN_FAILS)
        .route("/fails")
        .and_serving("panics", guests::OPEN_PANICS)
        .route("/panics")
        .host("[defaults]\nclose_timeout = \"200ms\"")
        .start()
        .await;
    for (path, logged) in [("/fails", "open failed on purpose"), ("/panics", "open panicked on purpose")] {
        let mut raw = Raw::open(&host, path).await;
        raw.send_frame(TEXT, b"never delivered").await;
        raw.closed_with(1011).await;
        host.wait_log(logged).await;
    }
    let log = host.stop().await;
    assert!(!log.contains("event close"), "{log}");
}

#[tokio::test]
async fn one_message_always_fits_up_to_the_largest() {
    let host =
        TestHost::serving(guests::PROBE).limit("outbound", "1000B").limit("max_message_size", "5000B").start().await;
    let mut client = Client::connect(&host, "/").await;
    for size in [5001, 200_000] {
        assert_eq!(client.ask(&format!("send-size {size}")).await, "error TooLarge(5000)");
    }
    // More than the buffer holds: it goes out, and what comes next waits for its turn.
    assert_eq!(client.ask("send-size 5000\ndrained 0").await.len(), 5000);
    assert_eq!(client.receive_text().await, "ok");
    host.wait_log("unsent ok 500").await;
    drop(client);
    host.stop().await;
}

#[tokio::test]
async fn a_peer_that_never_reads_is_dropped_as_a_slow_consumer() {
    let host = TestHost::serving(guests::PROBE)
        .limit("outbound", "4MiB")
        .limit("execution", "5s")
        .limit("slow_consumer_time", "200ms")
        .limit("close_timeout", "200ms")
        .start()
        .await;
    let mut other = Client::connect(&host, "/").await;
    let mut stuck = Raw::open(&host, "/").await;
    // Between two bursts the kernel takes what it will, until it takes nothing more.
    stuck.send_frame(TEXT, "burst 500 10000\nsleep 100\n".repeat(10).as_bytes()).await;
    assert_eq!(other.ask("id").await, "1");
    let line = host.wait_log("event close").await;
    assert!(line.contains("id=2 code=none") && line.contains("cause=slow-consumer"), "{line}");
    drop((stuck, other));
    host.stop().await;
}
