//! A connection's place in a room: how its handshake and its events reach the instance.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::{Room, StartFailure, Started};
use crate::guest::{Request, TrapKind};
use crate::handshake::{GuestAcceptance, GuestRefusal};
use crate::hits::Hits;
use crate::outbound::Outbound;
use crate::session::{Call, Returned};

/// What is handed over to a room's instance.
#[derive(Debug)]
pub(super) enum Post {
    /// A handshake to decide on.
    Upgrade {
        request: Box<Request>,
        is_origin_allowed: bool,
        answer: oneshot::Sender<Result<Result<GuestAcceptance, GuestRefusal>, TrapKind>>,
    },
    /// Events of one connection.
    Events(Events),
}

/// Events of one connection, in their order.
#[derive(Debug)]
pub(super) struct Events {
    pub(super) connection: Arc<Outbound>,
    pub(super) calls: VecDeque<Call>,
    /// For `open`.
    pub(super) request: Option<Box<Request>>,
    /// How those ended that have been taken out of `calls`.
    pub(super) served: Served,
    pub(super) reply: oneshot::Sender<Served>,
}

/// How the events that were handed over ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    /// As one: with the first that did not return normally.
    pub returned: Returned,
    /// After a trap: whether it was one of these events that trapped.
    pub is_own: bool,
    /// Instructions of these events; none where they are not counted.
    pub instructions: Option<u64>,
}

/// A place in a room, of a handshake that is not answered yet. Dropping it gives the place back.
#[derive(Debug)]
pub struct Joined {
    pub(super) room: Arc<Room>,
    /// This one has started the room.
    pub is_first: bool,
}

/// A place in a room, of an open connection.
#[derive(Debug)]
pub struct Member {
    joined: Joined,
    connection: Arc<Outbound>,
    /// Until `open`.
    request: Option<Box<Request>>,
    hits: Arc<Hits>,
    /// Whether the instance knows of the connection.
    is_known: bool,
}

impl Joined {
    /// The room's key; a shared instance's number.
    pub fn key(&self) -> &Arc<str> {
        &self.room.key
    }

    /// Wait until the instance runs.
    pub async fn started(&self) -> Result<(), StartFailure> {
        let mut started = self.room.started.clone();
        let result = started.wait_for(|started| *started != Started::Starting).await;
        match result.as_deref() {
            Ok(Started::Failed(failure)) => Err(*failure),
            Ok(_) => Ok(()),
            // Its task has ended in a panic.
            Err(_) => Err(StartFailure::Trapped(TrapKind::Fault)),
        }
    }

    /// Let the instance decide on a handshake, behind the events that were handed over before.
    /// For guests that export `upgrade`.
    pub async fn upgrade(
        &self,
        request: Box<Request>,
        is_origin_allowed: bool,
    ) -> Result<Result<GuestAcceptance, GuestRefusal>, Lost> {
        let (answer, answered) = oneshot::channel();
        let post = Post::Upgrade { request, is_origin_allowed, answer };
        self.room.post.send(post).await.map_err(|_| Lost::Elsewhere)?;
        match answered.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(kind)) => Err(Lost::Trapped(kind)),
            Err(_) => Err(Lost::Elsewhere),
        }
    }

    /// The handshake is answered: the place is this connection's now.
    pub fn enter(self, connection: Arc<Outbound>, request: Box<Request>, hits: Arc<Hits>) -> Member {
        Member { joined: self, connection, request: Some(request), hits, is_known: false }
    }
}

/// Why a handshake got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// `upgrade` trapped; it has been reported.
    Trapped(TrapKind),
    /// The instance is gone for another reason.
    Elsewhere,
}

impl Member {
    /// The room's key; a shared instance's number.
    pub fn key(&self) -> &Arc<str> {
        self.joined.key()
    }

    /// Hand events over and wait for their end. While the mailbox is full, wait for room in it before.
    pub async fn call(&mut self, calls: VecDeque<Call>) -> Served {
        let lost = Served { returned: Returned::Trapped, is_own: false, instructions: None };
        let post = &self.joined.room.post;
        let permit = match post.try_reserve() {
            Ok(permit) => permit,
            Err(mpsc::error::TrySendError::Closed(())) => return lost,
            Err(mpsc::error::TrySendError::Full(())) => {
                self.report_full();
                let Ok(permit) = post.reserve().await else { return lost };
                permit
            }
        };
        let is_close = matches!(calls.back(), Some(Call::Close(_)));
        let (reply, served) = oneshot::channel();
        self.is_known = true;
        let (connection, request) = (self.connection.clone(), self.request.take());
        let none = Served { returned: Returned::Done, is_own: true, instructions: None };
        permit.send(Post::Events(Events { connection, calls, request, served: none, reply }));
        let Ok(served) = served.await else { return lost };
        // After `on-close` the actor has struck it off.
        self.is_known = !is_close;
        served
    }

    fn report_full(&self) {
        let value = format_args!("events of more connections wait for {:?}", self.key());
        let most = self.joined.room.post.max_capacity();
        self.hits.report("limits.mailbox", Some(self.connection.id), value, most);
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        let mut seats = self.room.lock();
        seats.taken = seats.taken.saturating_sub(1);
        if seats.taken == 0 {
            self.room.told.notify_one();
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if self.is_known {
            self.joined.room.lock().left.push(self.connection.id);
            self.joined.room.told.notify_one();
        }
    }
}
