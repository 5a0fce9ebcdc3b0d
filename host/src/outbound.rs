//! The way out: the bounded queue to one peer, whoever writes into it.
//!
//! Guests, publications and tungstenite's control frames all append to it under one lock, so what leaves is in the
//! order in which it was queued. Only the connection's task takes from it.

mod attachment;
mod budget;
mod queue;

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::Notify;

use crate::ids::ConnectionId;
use crate::message::{self, Opcode};
use crate::session::CloseFrame;
use budget::Account;
use queue::{Queue, Sleep};

pub use budget::{Budget, Part};
pub(crate) use queue::Rest;

/// Payloads from this size get a buffer of their own instead of being gathered with their neighbours.
const GATHER_BELOW: usize = 16 * 1024;
/// While more than this waits for the peer, or half of its limit, in bytes, nothing is read from it.
const LOW_WATER: usize = 64 * 1024;
/// An emptied buffer up to this capacity is kept for the next burst.
const KEEP_CAPACITY: usize = 16 * 1024;

/// Why something was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// A close frame was queued or received, or the transport has ended.
    #[error("the connection is closing or closed")]
    Closed,
    /// The message alone is over the limit, in bytes.
    #[error("the message is over the limit of {0} bytes")]
    TooLarge(usize),
    /// The limit leaves no room; this many bytes already wait.
    #[error("the outbound buffer is full: {0} bytes wait")]
    Full(usize),
}

/// What the connection's task is asked to do beside writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// The guest called `close`.
    Close(Option<CloseFrame>),
    /// The host or the revision is being drained: close with this code.
    Drain(u16),
    /// A publication did not fit.
    Overflowed,
    /// Drop the transport without a word: the time for a graceful end is over.
    Abort,
    /// The instance is gone: another connection's event trapped it.
    InstanceLost,
    /// Set TCP_NODELAY.
    NoDelay(bool),
    /// Drop what came in and close with 1013: the host's memory is used up, most of it by this connection.
    TryAgainLater,
    /// The same, and it is the peer that does not read: drop the transport.
    GiveUp,
}

/// The limits of one connection's way out, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    /// What may wait; one message is always taken.
    pub outbound: usize,
    /// The largest message that is taken at all.
    pub message: usize,
}

/// The bounded queue to one peer, with what others may know of the connection.
#[derive(Debug)]
pub struct Outbound {
    /// The connection.
    pub id: ConnectionId,
    /// The subprotocol of the handshake.
    pub subprotocol: Option<String>,
    capacity: Capacity,
    queue: Mutex<Queue>,
    /// Bytes queued and not yet taken by the socket; changed only under the queue's lock, read without it.
    waiting: AtomicUsize,
    /// Messages queued; likewise.
    messages: AtomicU64,
    drained: Notify,
    messages_in: AtomicU64,
    round_trip_us: AtomicU32,
    budget: Arc<Budget>,
    account: Account,
    me: Weak<Outbound>,
}

impl Outbound {
    /// An empty queue, whose bytes count in this budget.
    pub fn new(id: ConnectionId, subprotocol: Option<String>, capacity: Capacity, budget: &Arc<Budget>) -> Arc<Self> {
        Arc::new_cyclic(|me| Outbound {
            id,
            subprotocol,
            capacity,
            queue: Mutex::default(),
            waiting: AtomicUsize::new(0),
            messages: AtomicU64::new(0),
            drained: Notify::new(),
            messages_in: AtomicU64::new(0),
            round_trip_us: AtomicU32::new(0),
            budget: budget.clone(),
            account: Account::default(),
            me: me.clone(),
        })
    }

    /// Queue a message; yields the bytes that now wait.
    pub fn send(&self, opcode: Opcode, payload: &[u8]) -> Result<usize, SendError> {
        if payload.len() > self.capacity.message {
            return Err(SendError::TooLarge(self.capacity.message));
        }
        let mut queue = self.admit(payload.len())?;
        if payload.len() >= GATHER_BELOW {
            queue.seal();
        }
        if opcode == Opcode::Ping {
            queue.pings = queue.pings.saturating_add(1);
        }
        let before = queue.tail.len();
        message::encode(opcode, payload, &mut queue.tail);
        let added = queue.tail.len() - before;
        Ok(self.queued(queue, added, u64::from(opcode != Opcode::Ping)))
    }

    /// Queue a frame that was encoded for many; yields the bytes that now wait.
    pub fn send_encoded(&self, frame: &Bytes) -> Result<usize, SendError> {
        let mut queue = self.admit(frame.len())?;
        if frame.len() >= GATHER_BELOW {
            queue.seal();
            queue.sealed.push_back(frame.clone());
        } else {
            queue.tail.extend_from_slice(frame);
        }
        Ok(self.queued(queue, frame.len(), 1))
    }

    /// Queue control frames that the protocol itself demands; they are few and small, and never refused.
    pub fn send_control(&self, frames: &[u8]) {
        let mut queue = self.lock();
        queue.tail.extend_from_slice(frames);
        self.queued(queue, frames.len(), 0);
    }

    /// Ask the task for something. After a `Close` nothing more is queued.
    pub fn wish(&self, wish: Wish) -> Result<(), SendError> {
        let mut queue = self.lock();
        match wish {
            Wish::Drain(_) | Wish::Abort | Wish::InstanceLost => {}
            Wish::TryAgainLater | Wish::GiveUp => queue.is_closed = true,
            _ if queue.is_closed => return Err(SendError::Closed),
            Wish::Close(_) | Wish::Overflowed => queue.is_closed = true,
            // The last word counts, and a loop of calls holds no memory.
            Wish::NoDelay(_) => queue.wishes.retain(|old| !matches!(old, Wish::NoDelay(_))),
        }
        if !queue.wishes.contains(&wish) {
            queue.wishes.push(wish);
        }
        queue.wake_always();
        Ok(())
    }

    /// Wait until at most `low_water` bytes wait.
    pub async fn drained(&self, low_water: usize) -> Result<(), SendError> {
        loop {
            let mut progress = std::pin::pin!(self.drained.notified());
            progress.as_mut().enable();
            {
                let queue = self.lock();
                if queue.is_closed {
                    return Err(SendError::Closed);
                }
                if self.waiting() <= low_water {
                    return Ok(());
                }
            }
            progress.await;
        }
    }

    /// Refuse everything from now on: a close frame was sent or received, or the transport has ended.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.drained.notify_waiters();
    }

    /// Whether something can still be sent.
    pub fn is_open(&self) -> bool {
        !self.lock().is_closed
    }

    /// Bytes that wait for the peer.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Messages queued so far.
    pub fn messages_out(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// A pong came: whether it may be the answer to a ping that was queued here.
    pub(crate) fn answered(&self) -> bool {
        let mut queue = self.lock();
        let is_awaited = queue.pings > 0;
        queue.pings = queue.pings.saturating_sub(1);
        is_awaited
    }

    /// Whether so much waits that nothing more is to be read from the peer: back-pressure through TCP, before a handler
    /// that only answers finds the buffer full.
    pub(crate) fn is_backlogged(&self) -> bool {
        self.waiting() > LOW_WATER.min(self.capacity.outbound / 2)
    }

    /// Count messages given to the handler.
    pub fn count_in(&self, messages: u64) {
        // Only the connection's task writes this number, so no read-modify-write is needed.
        let sum = self.messages_in.load(Ordering::Relaxed) + messages;
        self.messages_in.store(sum, Ordering::Relaxed);
    }

    /// Messages given to the handler.
    pub fn messages_in(&self) -> u64 {
        self.messages_in.load(Ordering::Relaxed)
    }

    /// Remember the round trip of a keep-alive ping.
    pub fn set_round_trip(&self, time: Duration) {
        let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX).max(1);
        self.round_trip_us.store(micros, Ordering::Relaxed);
    }

    /// The last round trip, in microseconds.
    pub fn round_trip_us(&self) -> Option<u32> {
        match self.round_trip_us.load(Ordering::Relaxed) {
            0 => None,
            micros => Some(micros),
        }
    }

    /// The topics that the connection is subscribed to, under the queue's lock.
    pub fn with_topics<R>(&self, change: impl FnOnce(&mut BTreeSet<Arc<str>>) -> R) -> R {
        change(&mut self.lock().topics)
    }

    /// Take what waits to be written: into `buffers`, or, when it all lies in one buffer, by swapping it with the empty
    /// `gathered`.
    pub(crate) fn take(&self, gathered: &mut BytesMut, buffers: &mut VecDeque<Bytes>) {
        let mut queue = self.lock();
        if queue.sealed.is_empty() {
            std::mem::swap(&mut queue.tail, gathered);
        } else {
            queue.seal();
            buffers.append(&mut queue.sealed);
        }
    }

    /// The socket took this many bytes of what `take` gave; yields how many still wait.
    pub(crate) fn written(&self, bytes: usize) -> usize {
        let mut queue = self.lock();
        let waiting = self.waiting().saturating_sub(bytes);
        self.waiting.store(waiting, Ordering::Relaxed);
        self.account.settle(self, Part::Queue, waiting);
        queue.is_full &= waiting >= self.capacity.outbound;
        drop(queue);
        self.drained.notify_waiters();
        waiting
    }

    /// The task runs again: until it rests, waking it would only have it run once more for nothing.
    pub(crate) fn awoken(&self) {
        self.lock().sleep = Sleep::Awake;
    }

    /// Before the task sleeps: what is there to do instead, or else wake it by `waker`. When the socket takes nothing
    /// (`is_blocked`), more bytes are no reason to wake up.
    pub(crate) fn rest(&self, is_blocked: bool, waker: &Waker) -> Rest {
        let mut queue = self.lock();
        if !queue.wishes.is_empty() {
            return Rest::Wishes(std::mem::take(&mut queue.wishes));
        }
        if !is_blocked && (!queue.tail.is_empty() || !queue.sealed.is_empty()) {
            return Rest::Bytes;
        }
        match &mut queue.writer {
            Some(known) if known.will_wake(waker) => {}
            writer => *writer = Some(waker.clone()),
        }
        queue.sleep = if is_blocked { Sleep::Blocked } else { Sleep::Idle };
        Rest::Asleep { is_full: queue.is_full }
    }

    fn admit(&self, bytes: usize) -> Result<MutexGuard<'_, Queue>, SendError> {
        let mut queue = self.lock();
        if queue.is_closed {
            return Err(SendError::Closed);
        }
        let waiting = self.waiting();
        if waiting > 0 && waiting + bytes > self.capacity.outbound {
            if !queue.is_full {
                queue.is_full = true;
                // The time that the peer has begins, whoever sent what did not fit.
                queue.wake_always();
            }
            return Err(SendError::Full(waiting));
        }
        Ok(queue)
    }

    /// Account for what was appended; yields the bytes that now wait.
    fn queued(&self, mut queue: MutexGuard<'_, Queue>, bytes: usize, messages: u64) -> usize {
        let waiting = self.waiting() + bytes;
        self.waiting.store(waiting, Ordering::Relaxed);
        self.messages.store(self.messages_out() + messages, Ordering::Relaxed);
        queue.wake();
        let is_more = self.account.settle(self, Part::Queue, waiting);
        drop(queue);
        if is_more {
            self.budget.relieve();
        }
        waiting
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Give an emptied buffer back for the next burst, unless it has grown too large to keep.
pub(crate) fn recycle(buffer: &mut BytesMut) {
    buffer.clear();
    // What was written is no part of `capacity` any more, but still of the memory.
    if buffer.try_reclaim(KEEP_CAPACITY + 1) {
        *buffer = BytesMut::new();
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
