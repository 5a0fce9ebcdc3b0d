//! Rooms and shared instances that have come to a mark are replaced: at once with `lifecycle`, else when nobody is there.

use tokio::task::JoinSet;

use super::rooms;
use crate::support::metrics::Metrics;
use crate::support::{Client, TestHost, guests};

const IDLE: &str = "whimbrel_instances{deployment=\"guest\",scope=\"room\",state=\"idle\"}";
const ACTIVE: &str = "whimbrel_instances{deployment=\"guest\",scope=\"room\",state=\"active\"}";
const RECYCLED: &str = "whimbrel_recycled_total{deployment=\"guest\",reason=\"events\"}";

#[tokio::test]
async fn s13_a_room_is_handed_over_with_its_members() {
    let host = rooms(guests::HANDOVER).limit("recycle_events", "4").argument("--log-level=debug").start().await;
    let (mut ann, mut ben) = (Client::connect(&host, "/a").await, Client::connect(&host, "/a").await);
    // The two `open`s are events too.
    assert_eq!(ann.ask("a").await, "a messages=1 total=1 generation=0");
    assert_eq!(ben.ask("b").await, "b messages=1 total=2 generation=0");
    assert_eq!(ann.ask("a").await, "a messages=2 total=3 generation=1");
    assert_eq!(ben.ask("b").await, "b messages=2 total=4 generation=1");
    let line = host.wait_log("restored 2 connections").await;
    assert!(line.contains("key=\"a\""), "{line}");
    let line = host.wait_log("instance replaced").await;
    assert!(line.contains("reason=\"events\"") && line.contains("key=\"a\""), "{line}");
    host.wait_metric(RECYCLED, 1.0).await;
    assert_eq!(host.metric(ACTIVE).await, 1.0);
    host.stop().await;
}

#[tokio::test]
async fn s13_no_message_is_lost_or_late_while_a_room_is_replaced_at_every_event() {
    const MEMBERS: u32 = 5;
    const MESSAGES: u32 = 100;
    let host = rooms(guests::HANDOVER).limit("recycle_events", "1").limit("log_lines", "0").start().await;
    let mut members = JoinSet::new();
    for _ in 0..MEMBERS {
        let mut client = Client::connect(&host, "/a").await;
        members.spawn(async move {
            let mut totals = Vec::new();
            for number in 1..=MESSAGES {
                client.text(&number.to_string()).await;
            }
            for number in 1..=MESSAGES {
                let text = client.receive_text().await;
                let (own, rest) = text.split_once(" total=").expect("a total");
                assert_eq!(own, format!("{number} messages={number}"));
                totals.push(rest.split(' ').next().and_then(|it| it.parse::<u32>().ok()).expect("a number"));
            }
            totals
        });
    }
    let mut totals = members.join_all().await.concat();
    totals.sort_unstable();
    assert!(totals.into_iter().eq(1..=MEMBERS * MESSAGES), "an event was lost, or counted twice");
    host.stop().await;
}

#[tokio::test]
async fn s13_what_does_not_hand_over_goes_on_and_a_snapshot_that_traps_ends_the_room() {
    for (how, function) in [("restore fails", None), ("restore panics", Some("restore")), ("decline", None)] {
        let host = rooms(guests::HANDOVER).limit("recycle_events", "3").start().await;
        let (mut ann, mut ben) = (Client::connect(&host, "/a").await, Client::connect(&host, "/a").await);
        ann.ask(&format!("misbehave {how}")).await;
        assert_eq!(ben.ask("b").await, "b messages=1 total=2 generation=0");
        assert_eq!(ann.ask("a").await, "a messages=2 total=3 generation=1");
        let line = host.wait_log("the instance is not replaced").await;
        assert!(line.contains("key=\"a\""), "{line}");
        if let Some(function) = function {
            let line = host.wait_log(&format!("function=\"{function}\"")).await;
            assert!(line.contains("scope=\"room\" key=\"a\""), "{line}");
        }
        host.stop().await;
    }
    let host = rooms(guests::HANDOVER).limit("recycle_events", "3").start().await;
    let (mut ann, ben) = (Client::connect(&host, "/a").await, Client::connect(&host, "/a").await);
    ann.text("misbehave snapshot panics").await;
    ann.closed_with(1011).await;
    ben.closed_with(1011).await;
    host.wait_log("function=\"snapshot\"").await;
    let mut next = Client::connect(&host, "/a").await;
    assert_eq!(next.ask("n").await, "n messages=1 total=1 generation=0");
    host.stop().await;
}

#[tokio::test]
async fn a_room_without_lifecycle_is_replaced_when_it_is_empty() {
    let host = rooms(guests::PROBE).limit("recycle_events", "3").limit("room_idle", "1h").start().await;
    let mut ann = Client::connect(&host, "/a").await;
    for count in ["1", "2", "3", "4"] {
        assert_eq!(ann.ask("count").await, count);
    }
    // It is not kept for `room_idle`.
    ann.close(1000, "").await;
    host.wait_metric(RECYCLED, 1.0).await;
    host.wait_metric(ACTIVE, 0.0).await;
    assert_eq!(host.metric(IDLE).await, 0.0);
    host.stop().await;
}

#[tokio::test]
async fn a_shared_instance_without_lifecycle_gets_no_new_connections_until_it_is_replaced() {
    let host = TestHost::serving(guests::PROBE)
        .manifest("scope = { shared = 2 }")
        .limit("recycle_events", "5")
        .host("metrics = \"127.0.0.1:0\"")
        .start()
        .await;
    let mut worn = Client::connect(&host, "/").await;
    for count in ["1", "2", "3", "4"] {
        assert_eq!(worn.ask("count").await, count);
    }
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(Client::connect(&host, "/").await);
    }
    assert_eq!(worn.ask("send-many 2,3,4 x").await, "ok 0");
    others[0].text("send-many 2,3,4 x").await;
    assert_eq!((others[0].receive_text().await, others[0].receive_text().await), ("x".to_owned(), "ok 3".to_owned()));
    worn.close(1000, "").await;
    host.wait_metric(RECYCLED, 1.0).await;
    let mut next = Client::connect(&host, "/").await;
    assert_eq!(next.ask("send-many 2,3,4,5 x").await, "x");
    assert_eq!(next.receive_text().await, "ok 1");
    let metrics = Metrics::read(&host).await;
    assert_eq!(metrics.value("whimbrel_instances{deployment=\"guest\",scope=\"shared\",state=\"active\"}"), 2.0);
    host.stop().await;
}
