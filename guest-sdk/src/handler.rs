//! The trait that a guest implements.

use std::time::Duration;

use crate::{CloseInfo, Connection, Message, Refusal, Request, Result};

/// A WebSocket handler: one value of it per connection, made by [`Handler::open`], or by
/// [`Resume::resume`](crate::Resume::resume) where another instance opened the connection.
///
/// The functions from [`Handler::prepare`] on run during the opening handshake, before there is a value; `request` is
/// what they decide on. They are called in the order in which they stand here.
pub trait Handler: Sized {
    /// The connection is established; nothing else is delivered before this returns.
    ///
    /// # Errors
    ///
    /// A failure is logged and closes the connection with 1011; [`Handler::on_close`] is not called then.
    fn open(connection: Connection, request: &Request) -> Result<Self>;

    /// One complete message. Messages that arrive after the handler's own [`Connection::close`] are still delivered,
    /// until the peer's close frame.
    ///
    /// # Errors
    ///
    /// A failure is logged and closes the connection with 1011.
    fn on_message(&mut self, connection: Connection, message: Message) -> Result;

    /// The connection has ended; called once, after its last message.
    fn on_close(self, connection: Connection, info: CloseInfo) {
        let _ = (connection, info);
    }

    /// A ping arrived; the pong has already been queued.
    fn on_ping(&mut self, connection: Connection, data: &[u8]) {
        let _ = (connection, data);
    }

    /// A pong arrived, the answer to a keep-alive ping (empty), to [`Connection::ping`], or unasked.
    fn on_pong(&mut self, connection: Connection, data: &[u8]) {
        let _ = (connection, data);
    }

    /// The first look at a request, whatever its origin.
    ///
    /// # Errors
    ///
    /// A refusal is the HTTP response that the client gets instead of a connection.
    fn prepare(request: &Request) -> Result<(), Refusal> {
        let _ = request;
        Ok(())
    }

    /// Whether pages of `origin` may connect, asked only when the manifest's origin rule refuses them.
    fn check_origin(origin: &str, request: &Request) -> bool {
        let _ = (origin, request);
        false
    }

    /// Chooses one of the offered subprotocols, or none; called once, also when none is offered.
    fn select_subprotocol(offered: &[String], request: &Request) -> Option<String> {
        let _ = (offered, request);
        None
    }

    /// Header fields for the response that accepts the connection.
    fn response_headers(request: &Request) -> Vec<(String, Vec<u8>)> {
        let _ = request;
        Vec::new()
    }

    /// The largest message to take from this client, in bytes; none: as the manifest says.
    fn max_message_size(request: &Request) -> Option<u32> {
        let _ = request;
        None
    }

    /// The time between keep-alive pings, zero for none; none: as the manifest says.
    fn ping_interval(request: &Request) -> Option<Duration> {
        let _ = request;
        None
    }

    /// The time that a silent peer is given after a keep-alive ping, zero for ever; none: as the manifest says.
    fn ping_timeout(request: &Request) -> Option<Duration> {
        let _ = request;
        None
    }
}
