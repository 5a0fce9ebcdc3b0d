//! Topics: who gets what is published, in which order, and what a slow subscriber costs.

use crate::support::host::Builder;
use crate::support::raw::{CLOSE, TEXT};
use crate::support::{Client, Raw, TestHost, guests};

fn probe() -> Builder {
    TestHost::serving(guests::PROBE).limit("log_lines", "10000")
}

/// A client that is subscribed to the topic `a`.
async fn subscriber(host: &TestHost, path: &str) -> Client {
    let mut client = Client::connect(host, path).await;
    assert_eq!(client.ask("subscribe a").await, "ok");
    client
}

#[tokio::test]
async fn a_publication_reaches_every_subscriber() {
    let host = probe().start().await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(subscriber(&host, "/").await);
    }
    let mut stranger = Client::connect(&host, "/").await;
    assert_eq!(stranger.ask("publish a hello").await, "ok 20");
    for client in &mut clients {
        assert_eq!(client.receive_text().await, "hello");
    }
    assert_eq!(stranger.ask("publish b hello").await, "ok 0");
    // The publisher is a subscriber like the others, and gets it before its answer.
    assert_eq!(clients[0].ask("publish a again").await, "again");
    assert_eq!(clients[0].receive_text().await, "ok 20");
    for client in &mut clients[1..] {
        assert_eq!(client.receive_text().await, "again");
    }
    drop((clients, stranger));
    host.stop().await;
}

#[tokio::test]
async fn those_excepted_get_nothing() {
    let host = probe().start().await;
    let (mut first, mut second) = (subscriber(&host, "/").await, subscriber(&host, "/").await);
    assert_eq!(first.ask("publish-others a hello").await, "ok 1");
    assert_eq!(second.receive_text().await, "hello");
    assert_eq!(first.ask("id").await, "1");
    drop((first, second));
    host.stop().await;
}

#[tokio::test]
async fn subscribing_twice_is_subscribing_once() {
    let host = probe().start().await;
    let mut client = subscriber(&host, "/").await;
    assert_eq!(client.ask("subscribe a").await, "ok");
    assert_eq!(client.ask("publish a hello").await, "hello");
    assert_eq!(client.receive_text().await, "ok 1");
    assert_eq!(client.ask("unsubscribe a").await, "ok");
    assert_eq!(client.ask("publish a hello").await, "ok 0");
    assert_eq!(client.ask("unsubscribe a").await, "ok");
    drop(client);
    host.stop().await;
}

#[tokio::test]
async fn all_subscribers_see_one_order() {
    const EACH: usize = 200;
    let host = probe().limit("execution", "5s").start().await;
    let (mut first, mut second) = (subscriber(&host, "/").await, subscriber(&host, "/").await);
    // Two publishers at the same time, 200 publications each.
    for name in ["one", "two"] {
        let mut publisher = Raw::open(&host, "/").await;
        let commands: Vec<_> = (0..EACH).map(|number| format!("publish a {name} {number}")).collect();
        publisher.send_frame(TEXT, commands.join("\n").as_bytes()).await;
    }
    let (mut seen_first, mut seen_second) = (Vec::new(), Vec::new());
    for _ in 0..2 * EACH {
        seen_first.push(first.receive_text().await);
        seen_second.push(second.receive_text().await);
    }
    assert_eq!(seen_first, seen_second);
    for name in ["one ", "two "] {
        let numbers = seen_first.iter().filter_map(|text| text.strip_prefix(name)?.parse::<usize>().ok());
        assert!(numbers.eq(0..EACH), "{seen_first:?}");
    }
    drop((first, second));
    host.stop().await;
}

#[tokio::test]
async fn a_subscription_ends_with_its_connection() {
    let host = probe().start().await;
    let (first, mut second) = (subscriber(&host, "/").await, subscriber(&host, "/").await);
    let mut raw = Raw::open(&host, "/").await;
    raw.send_frame(TEXT, b"subscribe a").await;
    assert_eq!(raw.frame().await.payload, b"ok");
    first.close(1000, "").await;
    drop(raw);
    host.wait_log("event close id=1 ").await;
    host.wait_log("event close id=3 ").await;
    assert_eq!(second.ask("publish a hello").await, "hello");
    assert_eq!(second.receive_text().await, "ok 1");
    drop(second);
    host.stop().await;
}

#[tokio::test]
async fn a_topic_means_nothing_to_another_deployment() {
    let host = probe().name("one").route("/one").and_serving("two", guests::PROBE).route("/two").start().await;
    let (mut one, mut two) = (subscriber(&host, "/one").await, subscriber(&host, "/two").await);
    assert_eq!(one.ask("publish a from one").await, "from one");
    assert_eq!(one.receive_text().await, "ok 1");
    assert_eq!(two.ask("publish a from two").await, "from two");
    assert_eq!(two.receive_text().await, "ok 1");
    drop((one, two));
    host.stop().await;
}

#[tokio::test]
async fn names_and_their_number_are_limited() {
    let host = probe().limit("subscriptions", "2").start().await;
    let mut client = Client::connect(&host, "/").await;
    let (longest, too_long) = ("x".repeat(256), "x".repeat(257));
    let wrong = |length| format!("error Invalid(\"topic: {length} bytes; 1 to 256 are allowed (limits.topic_size)\")");
    assert_eq!(client.ask(&format!("subscribe {too_long}")).await, wrong(257));
    assert_eq!(client.ask("subscribe").await, wrong(0));
    assert_eq!(client.ask(&format!("unsubscribe {too_long}")).await, wrong(257));
    assert_eq!(client.ask(&format!("publish {too_long} x")).await, wrong(257));
    assert_eq!(client.ask(&format!("subscribe {longest}")).await, "ok");
    assert_eq!(client.ask("subscribe b").await, "ok");
    let denied = "error Denied(\"limits.subscriptions: the connection already has 2\")";
    assert_eq!(client.ask("subscribe c").await, denied);
    host.wait_log("limits.topic_size: 257 bytes; allowed: 256").await;
    host.wait_log("limits.subscriptions: one more; allowed: 2").await;
    assert_eq!(client.ask("subscribe b").await, "ok", "this one counts already");
    assert_eq!(client.ask("unsubscribe b").await, "ok");
    assert_eq!(client.ask("subscribe c").await, "ok");
    drop(client);
    host.stop().await;
}

#[tokio::test]
async fn r06_a_slow_subscriber_slows_nobody_and_is_closed_with_1008() {
    const SIZE: usize = 60_000;
    let host = probe().limit("outbound", "256KiB").limit("close_timeout", "30s").start().await;
    let mut slow = Raw::open(&host, "/").await;
    slow.send_frame(TEXT, b"subscribe a").await;
    assert_eq!(slow.frame().await.payload, b"ok");
    let mut quick = subscriber(&host, "/").await;
    let mut publisher = Client::connect(&host, "/").await;

    let payload = "x".repeat(SIZE);
    let mut published = 0;
    loop {
        let answer = publisher.ask(&format!("publish a {published} {payload}")).await;
        assert!(quick.receive_text().await.starts_with(&format!("{published} ")));
        match answer.as_str() {
            "ok 2" => published += 1,
            answer => break assert_eq!(answer, "ok 1", "after {published} publications"),
        }
        assert!(published < 2000, "{published} publications of {SIZE} bytes wait for one peer");
    }
    // It misses none before the end, and hears why.
    for number in 0..published {
        assert!(slow.frame().await.payload.starts_with(format!("{number} ").as_bytes()));
    }
    assert_eq!(slow.close_frame().await, Some((1008, "slow consumer".to_owned())));
    slow.send_frame(CLOSE, b"\x03\xf0").await;
    slow.ended().await;
    host.wait_log("event close id=1 code=1008 reason=\"\" cause=slow-consumer").await;
    host.wait_log("limits.outbound: no room for a publication; allowed: 256KiB").await;
    assert_eq!(publisher.ask("publish a on").await, "ok 1");
    assert_eq!(quick.receive_text().await, "on");
    drop((quick, publisher));
    host.stop().await;
}

#[tokio::test]
async fn r06_an_outbound_that_stays_full_is_closed_with_1008() {
    let host = probe().limit("outbound", "1MiB").limit("slow_consumer_time", "1s").limit("close_timeout", "30s");
    let host = host.limit("execution", "5s").start().await;
    let mut raw = Raw::open(&host, "/").await;
    // 1 MiB at most waits; the pauses let the kernel take what it will, until it takes nothing more.
    raw.send_frame(TEXT, "burst 20 65536\nsleep 100\n".repeat(40).as_bytes()).await;
    host.wait_log("because=Closed").await;
    assert_eq!(raw.close_frame().await, Some((1008, "slow consumer".to_owned())));
    drop(raw);
    host.wait_log("event close id=1 code=none reason=\"\" cause=slow-consumer").await;
    host.wait_log("limits.outbound: no room for a message; allowed: 1MiB").await;
    host.wait_log("limits.slow_consumer_time: the peer did not take what waits for 1s; allowed: 1s").await;
    host.stop().await;
}
