//! Whoever subscribes, leaves and publishes: a publication reaches its subscribers and nobody else, and nothing stays of
//! those who left.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::outbound::{Budget, Capacity};

const CONNECTIONS: usize = 4;
const LIMIT: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Step {
    Subscribe(usize, usize),
    Unsubscribe(usize, usize),
    Leave(usize),
    Close(usize),
    /// The topic, and one who gets nothing.
    Publish(usize, Option<usize>),
}

fn step() -> impl Strategy<Value = Step> {
    let (connection, topic) = (|| 0..CONNECTIONS, || 0..5_usize);
    prop_oneof![
        10 => (connection(), topic()).prop_map(|(connection, topic)| Step::Subscribe(connection, topic)),
        5 => (connection(), topic()).prop_map(|(connection, topic)| Step::Unsubscribe(connection, topic)),
        2 => connection().prop_map(Step::Leave),
        1 => connection().prop_map(Step::Close),
        10 => (topic(), proptest::option::of(connection())).prop_map(|(topic, except)| Step::Publish(topic, except)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_publication_reaches_its_subscribers_and_nobody_else(steps in vec(step(), 0..60)) {
        let topics = Topics::default();
        let capacity = Capacity { outbound: 1 << 20, message: 1 << 20 };
        let budget = Budget::new(usize::MAX, Arc::new(crate::hits::Hits::of_the_host()));
        let connection = |id| Outbound::new(ConnectionId(id as u32), None, capacity, &budget);
        let all: Vec<_> = (1..=CONNECTIONS).map(connection).collect();
        let mut subscribed = BTreeSet::new();
        let mut received = [0; CONNECTIONS];
        let mut closed = [false; CONNECTIONS];
        for step in steps {
            match step {
                Step::Subscribe(connection, topic) => {
                    let count = subscribed.iter().filter(|(other, _)| *other == connection).count();
                    let expected = match () {
                        () if closed[connection] => Err(TopicError::Closed),
                        () if subscribed.contains(&(connection, topic)) => Ok(()),
                        () if count >= LIMIT => Err(TopicError::Subscriptions(LIMIT)),
                        () => Ok(()),
                    };
                    prop_assert_eq!(topics.subscribe(&all[connection], &topic.to_string(), LIMIT), expected);
                    if expected.is_ok() {
                        subscribed.insert((connection, topic));
                    }
                }
                Step::Unsubscribe(connection, topic) => {
                    topics.unsubscribe(&all[connection], &topic.to_string());
                    subscribed.remove(&(connection, topic));
                }
                Step::Leave(connection) => {
                    topics.leave(&all[connection]);
                    subscribed.retain(|(other, _)| *other != connection);
                }
                Step::Close(connection) => {
                    all[connection].close();
                    closed[connection] = true;
                }
                Step::Publish(topic, except) => {
                    let takers: Vec<usize> = (0..CONNECTIONS)
                        .filter(|it| subscribed.contains(&(*it, topic)) && except != Some(*it) && !closed[*it])
                        .collect();
                    let except: Vec<_> = except.iter().map(|it| all[*it].id).collect();
                    let took = topics.publish(&topic.to_string(), &Bytes::from_static(b"\x81\x01x"), &except);
                    prop_assert_eq!(took as usize, takers.len());
                    takers.iter().for_each(|it| received[*it] += 1);
                }
            }
            let names: BTreeSet<_> = subscribed.iter().map(|(_, topic)| topic).collect();
            prop_assert_eq!(topics.len(), names.len());
            let sent: Vec<_> = all.iter().map(|it| it.messages_out()).collect();
            prop_assert_eq!(&sent[..], &received[..]);
        }
    }
}
