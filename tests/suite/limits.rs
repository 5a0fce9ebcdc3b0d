//! Limits from outside: what happens to the one who passes one, and that nobody else notices.

mod components;
mod connections;

use crate::support::raw::{Frame, PING, PONG, TEXT};
use crate::support::{Client, Raw, TestHost, guests};

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
    assert!(host.log_text().contains("probe::Probe::run"), "{}", host.log_text());
    assert_eq!(other.ask("id").await, "1");
    other.close(1000, "").await;
    let log = host.stop().await;
    assert_eq!(log.matches("event close").count(), 1, "on-close of a trapped instance was called: {log}");
}

#[tokio::test]
async fn endless_recursion_is_a_trap() {
    let host = TestHost::serving(guests::PROBE).start().await;
    let mut other = Client::connect(&host, "/").await;
    // Rust's own stack, in linear memory, is used up before wasm's.
    traps(&host, "recurse").await;
    host.wait_log("!probe::recurse").await;
    assert_eq!(other.ask("id").await, "1");
    drop(other);
    host.stop().await;
}

#[tokio::test]
async fn a_spinning_guest_ends_and_delays_nobody_meanwhile() {
    // On one thread, so that only the guest's yielding lets others run.
    let host = TestHost::serving(guests::PROBE)
        .limit("execution", "2s")
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
    assert!(!spinning.is_finished(), "the guest's two seconds passed before ten round trips");
    spinning.await.expect("closed with 1011");
    let line = host.wait_log("the handler trapped").await;
    assert!(line.contains("limits.execution: 2s of execution passed in one event"), "{line}");
    drop((same, other, new));
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
async fn send_says_when_the_outbound_buffer_is_full() {
    let host = TestHost::serving(guests::PROBE).limit("outbound", "64KiB").start().await;
    let mut client = Client::connect(&host, "/").await;
    client.text("burst 1000 10000").await;
    let mut received = 0;
    let answer = loop {
        match client.receive_text().await {
            text if text.starts_with('x') => received += 1,
            answer => break answer,
        }
    };
    // Six messages of 10,004 bytes fit; more, when the guest was interrupted and some left meanwhile.
    assert!((6..1000).contains(&received), "{received} were sent before {answer}");
    let waiting = answer.strip_prefix("error BufferFull(").and_then(|text| text.split(')').next()?.parse().ok());
    assert!((55_533..=65_536).contains(&waiting.unwrap_or(0)), "{answer}");
    assert!(answer.ends_with(&format!(" after {received}")), "{answer}");
    drop(client);
    host.stop().await;
}

#[tokio::test]
async fn one_message_always_fits_up_to_the_largest() {
    let host =
        TestHost::serving(guests::PROBE).limit("outbound", "1000B").limit("max_message_size", "5000B").start().await;
    let mut client = Client::connect(&host, "/").await;
    assert_eq!(client.ask("send-size 5001").await, "error TooLarge(5000)");
    // More than the buffer holds: it goes out, and what comes next waits for its turn.
    assert_eq!(client.ask("send-size 5000\ndrained 0").await.len(), 5000);
    assert_eq!(client.receive_text().await, "ok");
    host.wait_log("unsent ok 500").await;
    drop(client);
    host.stop().await;
}

#[tokio::test]
async fn a_peer_that_never_reads_is_closed_as_a_slow_consumer() {
    let host = TestHost::serving(guests::PROBE)
        .limit("outbound", "32KiB")
        .limit("slow_consumer_time", "300ms")
        .limit("close_timeout", "300ms")
        .limit("log_lines", "1000000")
        .start()
        .await;
    let mut other = Client::connect(&host, "/").await;
    let mut stuck = Raw::open(&host, "/").await;
    // The guest goes on trying, however much room the kernel still finds.
    while !host.log_text().contains("event close") {
        stuck.send_anyway(&Frame::new(TEXT, b"burst 4 10000").bytes()).await;
        assert_eq!(other.ask("id").await, "1");
    }
    let line = host.wait_log("event close").await;
    assert!(line.contains("id=2 code=none") && line.contains("cause=slow-consumer"), "{line}");
    drop((stuck, other));
    host.stop().await;
}

#[tokio::test]
async fn subscriptions_and_topic_names_are_limited() {
    let host = TestHost::serving(guests::PROBE).limit("subscriptions", "2").start().await;
    let mut client = Client::connect(&host, "/").await;
    let longest = "t".repeat(256);
    for command in [format!("subscribe {longest}"), "subscribe b".to_owned(), "subscribe b".to_owned()] {
        assert_eq!(client.ask(&command).await, "ok", "{command}");
    }
    let denied = client.ask("subscribe c").await;
    assert_eq!(denied, "error Denied(\"limits.subscriptions: the connection already has 2\")");
    assert_eq!(client.ask("unsubscribe b").await, "ok");
    assert_eq!(client.ask("subscribe c").await, "ok");
    for command in [format!("subscribe {longest}t"), "subscribe".to_owned(), format!("publish {longest}t text")] {
        let refused = client.ask(&command).await;
        assert!(refused.starts_with("error Invalid(\"topic: ") && refused.contains("1 to 256"), "{refused}");
    }
    // Per connection, not per deployment.
    let mut other = Client::connect(&host, "/").await;
    assert_eq!(other.ask("subscribe d").await, "ok");
    drop((client, other));
    host.stop().await;
}

#[tokio::test]
async fn log_lines_over_the_limit_are_dropped_and_counted() {
    let host = TestHost::serving(guests::PROBE)
        .limit("log_lines", "5")
        .and_serving("other", guests::PROBE)
        .route("/other")
        .host("metrics = \"127.0.0.1:0\"")
        .start()
        .await;
    let mut client = Client::connect(&host, "/").await;
    client.text(&["print spam"; 100].join("\n")).await;
    for _ in 0..100 {
        assert_eq!(client.receive_text().await, "ok");
    }
    // Each deployment has its own.
    let mut other = Client::connect(&host, "/other").await;
    assert_eq!(other.ask("print heard").await, "ok");
    host.wait_log("heard").await;
    // The next second's first line brings the count.
    while !host.log_text().contains("log lines dropped") {
        client.ask("print tick").await;
    }
    drop((client, other));
    let line = host.wait_log("log lines dropped; limits.log_lines allows 5 per second").await;
    assert!(line.contains("deployment=\"guest\" dropped="), "{line}");
    let log = host.stop().await;
    assert!(log.matches("spam").count() <= 10, "{log}");
}
