//! What a handler can do to a connection.

use std::fmt;

use crate::bindings::whimbrel::websocket::{connection as host, topics};
use crate::{Error, Info, Message};

/// Names one connection of this guest. It may be copied, stored and used as a key, also after the connection ended:
/// calls then yield an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Connection(u32);

impl Connection {
    /// The connection with this number, as given by [`Connection::id`]. The host refuses every call with a number
    /// that is not a connection of this instance.
    #[must_use]
    pub const fn from_id(id: u32) -> Self {
        Self(id)
    }

    /// The number that the host's log shows as `connection`.
    #[must_use]
    pub const fn id(self) -> u32 {
        self.0
    }

    /// Queues a message and returns at once; yields the bytes that now wait for the peer.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`], [`Error::TooLarge`], or [`Error::BufferFull`] when the peer reads too slowly: then wait with
    /// [`Connection::drained`], or give up on this peer.
    pub fn send(self, message: impl Into<Message>) -> Result<u32, Error> {
        Ok(host::send(self.0, &message.into())?)
    }

    /// Queues the same message for many connections; yields how many took it. Those that are closed, full or not this
    /// instance's do not count.
    pub fn send_many(connections: &[Connection], message: impl Into<Message>) -> u32 {
        host::send_many(&ids(connections), &message.into())
    }

    /// Waits until at most `low_water` bytes wait for the peer. The time counts toward the time per event.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] when the connection ends first.
    pub fn drained(self, low_water: u32) -> Result<(), Error> {
        Ok(host::drained(self.0, low_water)?)
    }

    /// Queues a ping with at most 125 bytes (RFC 6455 section 5.5.2); the answer comes to
    /// [`Handler::on_pong`](crate::Handler::on_pong).
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for more bytes, [`Error::Closed`].
    pub fn ping(self, data: &[u8]) -> Result<(), Error> {
        Ok(host::ping(self.0, data)?)
    }

    /// Starts the closing handshake. What was sent before still goes out; nothing can be sent after.
    ///
    /// Codes 1000 to 1003, 1007 to 1014 and 3000 to 4999; a reason of at most 123 bytes, and only with a code
    /// (RFC 6455 section 7.4).
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for other codes and longer reasons, [`Error::Closed`].
    pub fn close(self, code: Option<u16>, reason: &str) -> Result<(), Error> {
        Ok(host::close(self.0, code, reason)?)
    }

    /// Switches TCP_NODELAY, which is on at first: the host writes once per burst.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`].
    pub fn set_nodelay(self, on: bool) -> Result<(), Error> {
        Ok(host::set_nodelay(self.0, on)?)
    }

    /// What the host knows of the connection; still allowed in [`Handler::on_close`](crate::Handler::on_close).
    ///
    /// # Errors
    ///
    /// [`Error::UnknownConnection`] once it is gone.
    pub fn inspect(self) -> Result<Info, Error> {
        Ok(host::inspect(self.0)?)
    }

    /// Keeps at most 16 KiB with the connection, in place of what was kept before; an empty slice keeps nothing. The host
    /// has them to the connection's end, whatever happens to this instance. Still allowed in
    /// [`Handler::on_close`](crate::Handler::on_close).
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`], [`Error::UnknownConnection`] once it is gone.
    pub fn attach(self, data: &[u8]) -> Result<(), Error> {
        Ok(host::attach(self.0, data)?)
    }

    /// What was attached last; empty when nothing was. Still allowed in [`Handler::on_close`](crate::Handler::on_close).
    ///
    /// # Errors
    ///
    /// [`Error::UnknownConnection`] once the connection is gone.
    pub fn attachment(self) -> Result<Vec<u8>, Error> {
        Ok(host::attachment(self.0)?)
    }

    /// Delivers what is published under a topic (1 to 256 bytes) to this connection's peer, until it ends.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for such a name, [`Error::Denied`] over the limit of subscriptions, [`Error::Closed`].
    pub fn subscribe(self, topic: &str) -> Result<(), Error> {
        Ok(topics::subscribe(self.0, topic)?)
    }

    /// Stops delivering a topic; no error when it was not subscribed.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownConnection`], [`Error::Closed`].
    pub fn unsubscribe(self, topic: &str) -> Result<(), Error> {
        Ok(topics::unsubscribe(self.0, topic)?)
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The connections of this instance, in the order of their ids: from their [`Handler::open`](crate::Handler::open) until
/// their [`Handler::on_close`](crate::Handler::on_close) returns.
#[must_use]
pub fn connections() -> Vec<Connection> {
    host::connections().into_iter().map(Connection).collect()
}

/// Sends a message to every subscriber of a topic but those named, in the same order for all; yields how many
/// connections took it. A subscriber whose buffer is full is closed with 1008.
///
/// # Errors
///
/// [`Error::Invalid`] for a topic that is not 1 to 256 bytes long or more than 10,000 exceptions, [`Error::TooLarge`].
pub fn publish(topic: &str, message: impl Into<Message>, except: &[Connection]) -> Result<u32, Error> {
    Ok(topics::publish(topic, &message.into(), &ids(except))?)
}

fn ids(connections: &[Connection]) -> Vec<u32> {
    connections.iter().map(|connection| connection.0).collect()
}
