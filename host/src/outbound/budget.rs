//! One ceiling over the buffers of all connections, and who has to go when it is passed.
//!
//! A connection tells the budget only what has changed by a [`STEP`], so that a small message costs a comparison and a
//! connection that never holds much is never known here.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::{Outbound, Wish};
use crate::hits::Hits;
use crate::ids::ConnectionId;
use crate::metrics;

/// Bytes by which a part of a connection's buffers has to change before the budget hears of it; attachments change rarely,
/// and are told as they are.
const STEP: usize = 16 * 1024;

/// What a connection holds in the memory of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Frames on their way to the peer.
    Queue,
    /// What has arrived of a message that is not complete.
    Partial,
    /// Messages that the guest was called with, or will be.
    Calls,
    /// What the guest has attached.
    Attachment,
}

impl Part {
    fn step(self) -> usize {
        match self {
            Part::Attachment => 1,
            Part::Queue | Part::Partial | Part::Calls => STEP,
        }
    }
}

/// The buffers of all connections of a host.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    /// Bytes known of, without those of connections that have been told to go.
    used: AtomicUsize,
    /// The machine, or the process's group, is short of memory whatever these buffers hold.
    is_pressed: AtomicBool,
    /// The connections that have once held a step, or an attachment.
    holders: Mutex<BTreeMap<ConnectionId, Weak<Outbound>>>,
    /// Held by the one who chooses who goes.
    choosing: Mutex<()>,
    hits: Arc<Hits>,
}

/// What the budget knows of one connection.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// The same as in `held`, to be compared with before the lock is taken.
    known: [AtomicUsize; 4],
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    parts: [usize; 4],
    is_holder: bool,
    /// Told to go: its bytes count no more.
    is_evicted: bool,
}

impl Budget {
    /// A budget of so many bytes; `hits` hears of those who have to go.
    pub fn new(limit: usize, hits: Arc<Hits>) -> Arc<Self> {
        Arc::new(Budget {
            limit,
            used: AtomicUsize::new(0),
            is_pressed: AtomicBool::new(false),
            holders: Mutex::default(),
            choosing: Mutex::default(),
            hits,
        })
    }

    /// What all buffers together may take, in bytes.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Bytes held, as far as is known.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether so much is held that no connection should be added.
    pub fn is_near(&self) -> bool {
        self.used() > self.limit - self.limit / 8
    }

    /// Whether memory is short outside these buffers.
    pub fn is_pressed(&self) -> bool {
        self.is_pressed.load(Ordering::Relaxed)
    }

    /// Say whether it is.
    pub fn set_pressed(&self, is_pressed: bool) {
        self.is_pressed.store(is_pressed, Ordering::Relaxed);
    }

    /// While the budget is passed, make the connection with the most bytes go. Not to be called under a queue's lock.
    pub(super) fn relieve(&self) {
        if self.used() <= self.limit {
            return;
        }
        let _one_at_a_time = lock(&self.choosing);
        // Dropped behind the lock: the last reference to a connection takes it too.
        let holders: Vec<_> = lock(&self.holders).values().map(Weak::upgrade).collect();
        let mut largest: Vec<_> = holders.into_iter().flatten().map(|holder| (holder.account.sum(), holder)).collect();
        largest.sort_unstable_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        for (_, holder) in largest {
            let used = self.used();
            if used <= self.limit {
                return;
            }
            if let Some(bytes) = holder.evict() {
                let value =
                    format_args!("{bytes} bytes wait on this connection, the most of {used} in all; it has to go");
                self.hits.report("host.memory_budget", Some(holder.id), value, self.limit);
                metrics::evicted();
            }
        }
    }
}

impl Outbound {
    /// A part of what the connection holds beside its queue has come to so many bytes. One part is told by one task only.
    pub(crate) fn hold(&self, part: Part, bytes: usize) {
        if self.account.settle(self, part, bytes) {
            self.budget.relieve();
        }
    }

    /// The transport is gone: nothing that waits will ever leave.
    pub(crate) fn release(&self) {
        let mut queue = self.lock();
        queue.discard();
        self.waiting.store(0, Ordering::Relaxed);
        self.account.settle(self, Part::Queue, 0);
        self.account.settle(self, Part::Partial, 0);
        drop(queue);
        self.drained.notify_waiters();
    }

    /// Make the connection go; yields what it held, none when it was told before.
    fn evict(&self) -> Option<usize> {
        let (bytes, is_unread) = self.account.evict(&self.budget)?;
        let wish = if is_unread { Wish::GiveUp } else { Wish::TryAgainLater };
        if is_unread {
            self.lock().discard();
        }
        // Never refused.
        let _ = self.wish(wish);
        Some(bytes)
    }
}

impl Drop for Outbound {
    fn drop(&mut self) {
        self.account.close(self.id, &self.budget);
    }
}

impl Account {
    /// A part has come to so many bytes; whether the budget now knows of more than before.
    pub(super) fn settle(&self, outbound: &Outbound, part: Part, bytes: usize) -> bool {
        let Some(known) = self.known.get(part as usize) else { return false };
        let before = known.load(Ordering::Relaxed);
        if before == bytes || (bytes != 0 && before.abs_diff(bytes) < part.step()) {
            return false;
        }
        known.store(bytes, Ordering::Relaxed);
        let budget = &outbound.budget;
        let mut held = lock(&self.held);
        if held.is_evicted {
            return false;
        }
        if let Some(part) = held.parts.get_mut(part as usize) {
            *part = bytes;
        }
        if bytes > before {
            budget.used.fetch_add(bytes - before, Ordering::Relaxed);
        } else {
            budget.used.fetch_sub(before - bytes, Ordering::Relaxed);
        }
        if !held.is_holder {
            held.is_holder = true;
            lock(&budget.holders).insert(outbound.id, outbound.me.clone());
        }
        bytes > before
    }

    /// Let its bytes count no more; what they came to, and whether most of them wait for the peer. None when that has
    /// happened before.
    pub(super) fn evict(&self, budget: &Budget) -> Option<(usize, bool)> {
        let mut held = lock(&self.held);
        if std::mem::replace(&mut held.is_evicted, true) {
            return None;
        }
        let [queue, partial, calls, attachment] = std::mem::take(&mut held.parts);
        let rest = partial + calls + attachment;
        budget.used.fetch_sub(queue + rest, Ordering::Relaxed);
        Some((queue + rest, queue > rest))
    }

    fn sum(&self) -> usize {
        lock(&self.held).parts.iter().sum()
    }

    /// The connection is gone.
    pub(super) fn close(&self, id: ConnectionId, budget: &Budget) {
        let (is_holder, bytes) = {
            let mut held = lock(&self.held);
            (held.is_holder, std::mem::take(&mut held.parts).iter().sum())
        };
        if is_holder {
            budget.used.fetch_sub(bytes, Ordering::Relaxed);
            lock(&budget.holders).remove(&id);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::attachment::ATTACHMENT;
    use super::super::{Capacity, Rest, SendError};
    use super::*;

    fn is_evicted(connection: &Outbound) -> bool {
        lock(&connection.account.held).is_evicted
    }
    use crate::message::Opcode;
    use std::task::Waker;

    const KIB: usize = 1024;

    fn budget(limit: usize) -> Arc<Budget> {
        Budget::new(limit, Arc::new(Hits::of_the_host()))
    }

    fn connection(id: u32, budget: &Arc<Budget>) -> Arc<Outbound> {
        let capacity = Capacity { outbound: 1024 * KIB, message: 1024 * KIB };
        Outbound::new(ConnectionId(id), None, capacity, budget)
    }

    fn wishes(connection: &Outbound) -> Vec<Wish> {
        match connection.rest(true, Waker::noop()) {
            Rest::Wishes(wishes) => wishes,
            _ => Vec::new(),
        }
    }

    #[test]
    fn only_steps_are_told_and_all_of_them_are_given_back() {
        let budget = budget(1024 * KIB);
        let connection = connection(1, &budget);
        connection.hold(Part::Partial, STEP - 1);
        assert_eq!((budget.used(), lock(&budget.holders).len()), (0, 0));
        connection.hold(Part::Partial, STEP);
        connection.hold(Part::Partial, 2 * STEP - 1);
        assert_eq!((budget.used(), lock(&budget.holders).len()), (STEP, 1));
        connection.hold(Part::Calls, 5 * STEP);
        connection.send(Opcode::Binary, &vec![0; 3 * STEP]).unwrap();
        assert_eq!(budget.used(), 9 * STEP + 4);
        assert_eq!(connection.written(3 * STEP), 4);
        connection.hold(Part::Partial, 1);
        assert_eq!(budget.used(), 6 * STEP + 4);
        connection.written(4);
        connection.hold(Part::Partial, 0);
        assert_eq!(budget.used(), 5 * STEP);
        drop(connection);
        assert_eq!((budget.used(), lock(&budget.holders).len()), (0, 0));
    }

    #[test]
    fn the_largest_goes_first_until_the_rest_fits() {
        let budget = budget(100 * STEP);
        let connections: Vec<_> = (1..=4).map(|id| connection(id, &budget)).collect();
        for (connection, steps) in connections.iter().zip([10, 40, 20, 30]) {
            connection.hold(Part::Partial, steps * STEP);
        }
        assert!(budget.is_near());
        assert!(connections.iter().all(|connection| !is_evicted(connection)));
        connections[0].hold(Part::Calls, STEP);
        let evicted: Vec<_> = connections.iter().map(|connection| is_evicted(connection)).collect();
        assert_eq!(evicted, [false, true, false, false]);
        assert_eq!(wishes(&connections[1]), [Wish::TryAgainLater]);
        assert_eq!(budget.used(), 61 * STEP);
        // What it still holds counts no more, neither now nor at its end.
        connections[1].hold(Part::Partial, 50 * STEP);
        connections[1].release();
        assert_eq!(budget.used(), 61 * STEP);
        drop(connections);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_peer_that_does_not_read_loses_its_queue() {
        let budget = budget(10 * STEP);
        let (slow, other) = (connection(1, &budget), connection(2, &budget));
        slow.send(Opcode::Binary, &vec![0; 6 * STEP]).unwrap();
        other.hold(Part::Partial, 5 * STEP);
        assert!(is_evicted(&slow) && !slow.is_open() && !is_evicted(&other));
        assert_eq!(wishes(&slow), [Wish::GiveUp]);
        assert_eq!(budget.used(), 5 * STEP);
    }

    #[test]
    fn attachments_count_to_the_byte_and_to_the_end() {
        let budget = budget(10 * STEP);
        let connection = connection(1, &budget);
        connection.attach(b"12345").unwrap();
        assert_eq!(budget.used(), 5);
        connection.attach(b"123").unwrap();
        connection.close();
        connection.release();
        assert_eq!((budget.used(), connection.attachment().as_deref()), (3, Some(&b"123"[..])));
        connection.attach(b"").unwrap();
        assert_eq!((budget.used(), connection.attachment()), (0, None));
        connection.attach(&[0; ATTACHMENT]).unwrap();
        assert_eq!(connection.attach(&[0; ATTACHMENT + 1]), Err(SendError::TooLarge(ATTACHMENT)));
        assert_eq!(budget.used(), ATTACHMENT);
        drop(connection);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn publications_count_once_per_queue() {
        let budget = budget(10 * STEP);
        let frame = bytes::Bytes::from(vec![0; 3 * STEP]);
        let connections: Vec<_> = (1..=3).map(|id| connection(id, &budget)).collect();
        for connection in &connections {
            connection.send_encoded(&frame).unwrap();
        }
        assert_eq!(budget.used(), 9 * STEP);
    }
}
