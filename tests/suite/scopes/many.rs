//! Rooms with many members, and many rooms.

use futures_util::StreamExt as _;
use futures_util::stream;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::rooms;
use crate::support::{Client, guests};

/// Rooms of two that are open at once.
const ROOMS: usize = 1_000;
/// Rooms that are being opened or spoken in at once.
const CONCURRENCY: usize = 32;

fn instances(state: &str) -> String {
    format!("whimbrel_instances{{deployment=\"guest\",scope=\"room\",state=\"{state}\"}}")
}

#[tokio::test]
async fn a_message_to_all_connections_reaches_every_member_once_and_nobody_else() {
    let host = rooms(guests::FAN_OUT).start().await;
    let mut other = Client::connect(&host, "/other").await;
    let mut members = Vec::new();
    for _ in 0..100 {
        members.push(Client::connect(&host, "/room").await);
    }
    // Who hears itself has been opened; then all hear the same.
    for (number, member) in members.iter_mut().enumerate() {
        let here = format!("here {number}");
        member.text(&here).await;
        while member.receive_text().await != here {}
    }
    members[0].text("begin").await;
    for member in &mut members {
        while member.receive_text().await != "begin" {}
    }
    for number in 0..10 {
        // As a message to connections, and as one to a topic's subscribers.
        members[number * 7].text(&format!("text {number}")).await;
        members[number * 11 % 100].binary(format!("data {number}").as_bytes()).await;
    }
    for member in &mut members {
        let (mut texts, mut data) = (Vec::new(), Vec::new());
        while texts.len() + data.len() < 20 {
            let message = member.receive().await;
            let heard = if message.is_text() { &mut texts } else { &mut data };
            heard.push(message.into_text().expect("UTF-8").as_str().to_owned());
        }
        texts.sort_unstable();
        data.sort_unstable();
        assert!(texts.iter().eq(&(0..10).map(|number| format!("text {number}")).collect::<Vec<_>>()), "{texts:?}");
        assert!(data.iter().eq(&(0..10).map(|number| format!("data {number}")).collect::<Vec<_>>()), "{data:?}");
    }
    // Whatever had come to the wrong place would come before these.
    assert_eq!(other.ask("of my own").await, "of my own");
    assert_eq!(members[0].ask("of the room").await, "of the room");
    // Who has left is not in the list, and costs the others nothing.
    members.pop().expect("a hundred").close(1000, "").await;
    drop(members.pop());
    members[0].text("to those who stay").await;
    for member in &mut members[1..] {
        assert_eq!(member.receive_text().await, "of the room");
        assert_eq!(member.receive_text().await, "to those who stay");
    }
    host.stop().await;
}

#[tokio::test]
async fn a_thousand_rooms_of_two_exchange_a_message_and_give_their_instances_back() {
    let files = Rlimit { current: getrlimit(Resource::Nofile).maximum, ..getrlimit(Resource::Nofile) };
    setrlimit(Resource::Nofile, files).expect("the soft limit may be as high as the hard one");
    let host = rooms(guests::FAN_OUT).limit("room_idle", "1ms").start().await;
    let opening = stream::iter(0..ROOMS).map(async |room| {
        let path = format!("/{room}");
        (room, Client::connect(&host, &path).await, Client::connect(&host, &path).await)
    });
    let rooms: Vec<_> = opening.buffer_unordered(CONCURRENCY).collect().await;
    assert_eq!(host.metric(&instances("active")).await, ROOMS as f64);
    let closing = stream::iter(rooms).map(async |(room, mut one, mut two)| {
        let said = format!("hello from {room}");
        one.text(&said).await;
        assert_eq!(two.receive_text().await, said);
        assert_eq!(one.receive_text().await, said);
        let answer = format!("hello to {room}");
        two.text(&answer).await;
        assert_eq!(one.receive_text().await, answer);
        // One says goodbye, the other just goes.
        one.close(1000, "").await;
    });
    closing.buffer_unordered(CONCURRENCY).collect::<Vec<()>>().await;
    for state in ["active", "idle"] {
        host.wait_metric(&instances(state), 0.0).await;
    }
    assert_eq!(host.metric("whimbrel_connections_total{deployment=\"guest\"}").await, 2.0 * ROOMS as f64);
    assert_eq!(host.metric("whimbrel_connections{deployment=\"guest\"}").await, 0.0);
    let log = host.stop().await;
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
}
