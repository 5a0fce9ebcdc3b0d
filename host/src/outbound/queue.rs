//! What waits for one peer, and whether its task sleeps.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::task::Waker;

use bytes::{Bytes, BytesMut};

use super::Wish;

/// All of an outbound that is changed under its lock.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) sealed: VecDeque<Bytes>,
    pub(super) tail: BytesMut,
    pub(super) is_closed: bool,
    /// Pings queued that no pong has answered.
    pub(super) pings: u32,
    /// A message was refused, and the limit is still reached.
    pub(super) is_full: bool,
    pub(super) wishes: Vec<Wish>,
    pub(super) sleep: Sleep,
    pub(super) writer: Option<Waker>,
    pub(super) topics: BTreeSet<Arc<str>>,
    pub(super) attachment: Option<Arc<[u8]>>,
}

/// What the task finds before it sleeps.
#[derive(Debug)]
pub(crate) enum Rest {
    /// Nothing: it will be woken. Whether a message was refused for want of room, and there still is none.
    Asleep { is_full: bool },
    /// Bytes were queued meanwhile.
    Bytes,
    /// Something beside writing is asked for.
    Wishes(Vec<Wish>),
}

/// Whether the task sleeps, and what wakes it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sleep {
    #[default]
    Awake,
    /// Until anything is queued or wished.
    Idle,
    /// The socket takes nothing: until something is wished.
    Blocked,
}

impl Queue {
    /// Bytes were queued: wake the task if it waits for them.
    pub(super) fn wake(&mut self) {
        if self.sleep == Sleep::Idle {
            self.wake_always();
        }
    }

    pub(super) fn wake_always(&mut self) {
        if self.sleep != Sleep::Awake {
            self.sleep = Sleep::Awake;
            if let Some(writer) = &self.writer {
                writer.wake_by_ref();
            }
        }
    }

    /// Drop what waits; nothing is queued any more.
    pub(super) fn discard(&mut self) {
        self.is_closed = true;
        self.sealed = VecDeque::new();
        self.tail = BytesMut::new();
    }

    /// Close the gathering buffer, so that what follows starts a new one.
    pub(super) fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.sealed.push_back(std::mem::take(&mut self.tail).freeze());
        }
    }
}
