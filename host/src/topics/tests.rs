//! Topics without connections: only their queues.

use std::collections::VecDeque;

use bytes::BytesMut;

use super::*;
use crate::hits::Hits;
use crate::outbound::{Budget, Capacity};

const LIMIT: usize = 100;

fn budget() -> Arc<Budget> {
    Budget::new(usize::MAX, Arc::new(Hits::of_the_host()))
}

fn connection(id: u32) -> Arc<Outbound> {
    let capacity = Capacity { outbound: 100, message: 100 };
    Outbound::new(ConnectionId(id), None, capacity, &budget())
}

fn frame(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn queued(connection: &Outbound) -> String {
    let mut gathered = BytesMut::new();
    connection.take(&mut gathered, &mut VecDeque::new());
    String::from_utf8(gathered.to_vec()).unwrap()
}

#[test]
fn a_publication_reaches_the_subscribers_of_its_topic() {
    let (topics, one, two) = (Topics::default(), connection(1), connection(2));
    topics.subscribe(&one, "a", LIMIT).unwrap();
    topics.subscribe(&two, "a", LIMIT).unwrap();
    topics.subscribe(&two, "b", LIMIT).unwrap();
    assert_eq!(topics.publish("a", &frame("1"), &[]), 2);
    assert_eq!(topics.publish("b", &frame("2"), &[]), 1);
    assert_eq!(topics.publish("c", &frame("3"), &[]), 0);
    assert_eq!(topics.publish("a", &frame("4"), &[ConnectionId(1), ConnectionId(9)]), 1);
    assert_eq!((queued(&one), queued(&two)), ("1".to_owned(), "124".to_owned()));
}

#[test]
fn subscribing_again_changes_nothing() {
    let (topics, one) = (Topics::default(), connection(1));
    for _ in 0..3 {
        topics.subscribe(&one, "a", 1).unwrap();
    }
    assert_eq!(topics.publish("a", &frame("1"), &[]), 1);
    topics.unsubscribe(&one, "a");
    assert_eq!(topics.publish("a", &frame("1"), &[]), 0);
    topics.unsubscribe(&one, "a");
}

#[test]
fn a_topic_exists_while_it_has_subscribers() {
    let (topics, one, two) = (Topics::default(), connection(1), connection(2));
    for topic in ["a", "b", "c"] {
        topics.subscribe(&one, topic, LIMIT).unwrap();
    }
    topics.subscribe(&two, "a", LIMIT).unwrap();
    assert_eq!(topics.len(), 3);
    topics.unsubscribe(&one, "b");
    assert_eq!(topics.len(), 2);
    topics.leave(&one);
    assert_eq!(topics.len(), 1);
    assert_eq!(topics.publish("a", &frame("1"), &[]), 1);
    topics.leave(&two);
    assert!(topics.is_empty());
}

#[test]
fn a_subscriber_without_room_is_ended_and_the_others_served() {
    let (topics, slow, quick) = (Topics::default(), connection(1), connection(2));
    topics.subscribe(&slow, "a", LIMIT).unwrap();
    topics.subscribe(&quick, "a", LIMIT).unwrap();
    slow.send_control(&[0; 100]);
    assert_eq!(topics.publish("a", &frame("1"), &[]), 1);
    assert!(!slow.is_open());
    assert_eq!(slow.wish(Wish::Overflowed), Err(SendError::Closed), "it is asked for once");
    assert_eq!(topics.publish("a", &frame("2"), &[]), 1);
    assert_eq!(queued(&quick), "12");
}

#[test]
fn the_closed_get_nothing_and_cannot_subscribe() {
    let (topics, one) = (Topics::default(), connection(1));
    topics.subscribe(&one, "a", LIMIT).unwrap();
    one.close();
    assert_eq!(topics.publish("a", &frame("1"), &[]), 0);
    assert_eq!(topics.subscribe(&one, "b", LIMIT), Err(TopicError::Closed));
    assert_eq!(topics.len(), 1);
}

#[test]
fn their_number_is_limited() {
    let (topics, one) = (Topics::default(), connection(1));
    topics.subscribe(&one, "a", 2).unwrap();
    topics.subscribe(&one, "b", 2).unwrap();
    assert_eq!(topics.subscribe(&one, "c", 2), Err(TopicError::Subscriptions(2)));
    topics.unsubscribe(&one, "b");
    topics.subscribe(&one, "c", 2).unwrap();
    assert_eq!(topics.len(), 2);
}

#[test]
fn all_subscribers_see_one_order() {
    let topics = Topics::default();
    let capacity = Capacity { outbound: 1 << 20, message: 1 };
    let connections: Vec<_> = (1..=4).map(|id| Outbound::new(ConnectionId(id), None, capacity, &budget())).collect();
    for connection in &connections {
        topics.subscribe(connection, "a", LIMIT).unwrap();
    }
    std::thread::scope(|scope| {
        for text in ["1", "2", "3", "4"] {
            let topics = &topics;
            scope.spawn(move || {
                for _ in 0..1000 {
                    topics.publish("a", &frame(text), &[]);
                }
            });
        }
    });
    let orders: Vec<_> = connections.iter().map(|connection| queued(connection)).collect();
    assert_eq!(orders[0].len(), 4000);
    assert!(orders.iter().all(|order| *order == orders[0]));
}
