//! Fan-out between the connections of one deployment: names to which connections subscribe and guests publish.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::ids::ConnectionId;
use crate::outbound::{Outbound, SendError, Wish};

/// Why a subscription was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// The connection has its limit of subscriptions.
    #[error("limits.subscriptions: the connection already has {0}")]
    Subscriptions(usize),
    /// The connection is closing or closed.
    #[error("the connection is closing or closed")]
    Closed,
}

type Subscribers = BTreeMap<ConnectionId, Arc<Outbound>>;

/// The topics of one deployment. A topic exists while it has subscribers.
#[derive(Debug, Default)]
pub struct Topics {
    topics: Mutex<HashMap<Arc<str>, Arc<Mutex<Subscribers>>>>,
}

impl Topics {
    /// Deliver what is published under `topic` to this connection. Subscribing again changes nothing.
    pub fn subscribe(&self, connection: &Arc<Outbound>, topic: &str, limit: usize) -> Result<(), TopicError> {
        if !connection.is_open() {
            return Err(TopicError::Closed);
        }
        let mut topics = self.lock();
        let name = topics.get_key_value(topic).map_or_else(|| Arc::from(topic), |(name, _)| name.clone());
        let added = connection.with_topics(|subscribed| {
            if subscribed.contains(&name) {
                return Ok(false);
            }
            if subscribed.len() >= limit {
                return Err(TopicError::Subscriptions(subscribed.len()));
            }
            Ok(subscribed.insert(name.clone()))
        })?;
        if added {
            let subscribers = topics.entry(name).or_default();
            lock(subscribers).insert(connection.id, connection.clone());
        }
        Ok(())
    }

    /// Stop delivering.
    pub fn unsubscribe(&self, connection: &Outbound, topic: &str) {
        if connection.with_topics(|subscribed| subscribed.remove(topic)) {
            self.remove(connection.id, topic);
        }
    }

    /// End all subscriptions of a connection.
    pub fn leave(&self, connection: &Outbound) {
        for topic in connection.with_topics(std::mem::take) {
            self.remove(connection.id, &topic);
        }
    }

    /// Queue one encoded frame for every subscriber but those named, which are in order; yields how many took it. A subscriber without
    /// room is closed as a slow consumer, so that none misses a publication unnoticed.
    pub fn publish(&self, topic: &str, frame: &Bytes, except: &[ConnectionId]) -> u32 {
        let Some(subscribers) = self.lock().get(topic).cloned() else {
            return 0;
        };
        let mut took = 0;
        // The topic's lock is held throughout: all subscribers see publications in one order.
        for (id, connection) in lock(&subscribers).iter() {
            if except.binary_search(id).is_ok() {
                continue;
            }
            match connection.send_encoded(frame) {
                Ok(_) => took += 1,
                Err(SendError::Full(_) | SendError::TooLarge(_)) => {
                    // An error only says that the connection has closed meanwhile.
                    let _ = connection.wish(Wish::Overflowed);
                }
                Err(SendError::Closed) => {}
            }
        }
        took
    }

    /// How many topics have subscribers.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether no topic has a subscriber.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn remove(&self, connection: ConnectionId, topic: &str) {
        let mut topics = self.lock();
        let Some(subscribers) = topics.get(topic) else {
            return;
        };
        let is_empty = {
            let mut subscribers = lock(subscribers);
            subscribers.remove(&connection);
            subscribers.is_empty()
        };
        if is_empty {
            topics.remove(topic);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Mutex<Subscribers>>>> {
        lock(&self.topics)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
