//! From the exported functions to the handler of the connection; used by [`export!`](crate::export) only.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::bindings::exports::whimbrel::websocket::{handler, upgrade};
use crate::{CloseInfo, Connection, Handler, Message, Refusal, Request};

const ORIGIN_REFUSED: &str = "Cross origin websockets not allowed";

/// The exported component: a handler, and where its connections are.
pub trait Export {
    /// The guest's handler.
    type Handler: Handler;

    /// Runs a function on the open connections.
    fn connections<T>(run: impl FnOnce(&Connections<Self::Handler>) -> T) -> T;
}

/// The handlers of the open connections; one under the scope `connection`.
///
/// A `BTreeMap`, because a `HashMap` imports wasi:random. The cell is borrowed while a handler runs: an instance is
/// given one event at a time, and no call into the host comes back.
pub struct Connections<H>(RefCell<BTreeMap<u32, H>>);

impl<H: Handler> Connections<H> {
    /// No connections.
    #[expect(clippy::new_without_default, reason = "a trait function is not const")]
    #[must_use]
    pub const fn new() -> Self {
        Self(RefCell::new(BTreeMap::new()))
    }

    fn open(&self, id: u32, request: &Request) -> Result<(), String> {
        let handler = H::open(Connection::from_id(id), request).map_err(crate::Failure::into_text)?;
        self.0.borrow_mut().insert(id, handler);
        Ok(())
    }

    fn on_message(&self, id: u32, message: Message) -> Result<(), String> {
        match self.0.borrow_mut().get_mut(&id) {
            Some(handler) => handler.on_message(Connection::from_id(id), message).map_err(crate::Failure::into_text),
            None => Err(format!("connection {id} is not open in this instance")),
        }
    }

    fn on_close(&self, id: u32, info: CloseInfo) {
        let handler = self.0.borrow_mut().remove(&id);
        if let Some(handler) = handler {
            handler.on_close(Connection::from_id(id), info);
        }
    }

    fn with(&self, id: u32, run: impl FnOnce(&mut H, Connection)) {
        if let Some(handler) = self.0.borrow_mut().get_mut(&id) {
            run(handler, Connection::from_id(id));
        }
    }
}

impl<E: Export> handler::Guest for E {
    fn open(connection: u32, request: Request) -> Result<(), String> {
        E::connections(|connections| connections.open(connection, &request))
    }

    fn on_message(connection: u32, message: Message) -> Result<(), String> {
        E::connections(|connections| connections.on_message(connection, message))
    }

    fn on_close(connection: u32, info: CloseInfo) {
        E::connections(|connections| connections.on_close(connection, info));
    }

    fn on_ping(connection: u32, data: Vec<u8>) {
        E::connections(|connections| connections.with(connection, |handler, it| handler.on_ping(it, &data)));
    }

    fn on_pong(connection: u32, data: Vec<u8>) {
        E::connections(|connections| connections.with(connection, |handler, it| handler.on_pong(it, &data)));
    }
}

impl<E: Export> upgrade::Guest for E {
    fn upgrade(request: Request, origin_allowed: bool) -> Result<upgrade::Acceptance, Refusal> {
        decide::<E::Handler>(&request, origin_allowed)
    }
}

/// Tornado's order: prepare, origin, subprotocol, then what goes into the response.
fn decide<H: Handler>(request: &Request, origin_allowed: bool) -> Result<upgrade::Acceptance, Refusal> {
    H::prepare(request)?;
    if !origin_allowed && !request.origin.as_deref().is_some_and(|origin| H::check_origin(origin, request)) {
        return Err(Refusal::new(403).header("content-type", "text/plain").body(ORIGIN_REFUSED));
    }
    Ok(upgrade::Acceptance {
        subprotocol: H::select_subprotocol(&request.subprotocols, request),
        headers: H::response_headers(request),
        max_message_size: H::max_message_size(request),
        ping_interval_ms: H::ping_interval(request).map(milliseconds),
        ping_timeout_ms: H::ping_timeout(request).map(milliseconds),
        compression: None,
    })
}

/// Whole milliseconds, rounded up: 0 would turn a short interval off.
fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::request::tests::request;
    use crate::{CloseCause, Result};

    thread_local! {
        static CLOSED: Cell<u32> = const { Cell::new(0) };
    }

    /// Fails to open without origin, counts its messages and refuses the third.
    struct Strict(u32);

    impl Handler for Strict {
        fn open(_connection: Connection, request: &Request) -> Result<Self> {
            request.origin.as_ref().ok_or("no origin")?;
            Ok(Strict(0))
        }

        fn on_message(&mut self, connection: Connection, _message: Message) -> Result {
            self.0 += 1;
            if self.0 == 3 { Err(format!("third message of {connection}").into()) } else { Ok(()) }
        }

        fn on_close(self, _connection: Connection, _info: CloseInfo) {
            CLOSED.set(CLOSED.get() + self.0);
        }

        fn prepare(request: &Request) -> Result<(), Refusal> {
            if request.header("x-token").is_some() { Ok(()) } else { Err(Refusal::new(401)) }
        }

        fn check_origin(origin: &str, _request: &Request) -> bool {
            origin == "https://friend.example"
        }

        fn select_subprotocol(offered: &[String], _request: &Request) -> Option<String> {
            offered.last().cloned()
        }

        fn ping_interval(_request: &Request) -> Option<Duration> {
            Some(Duration::from_micros(1))
        }
    }

    #[test]
    fn each_connection_has_its_handler() {
        let connections = Connections::<Strict>::new();
        connections.open(1, &request()).unwrap();
        connections.open(2, &request()).unwrap();
        let send = |id| connections.on_message(id, Message::from("m"));
        assert_eq!((send(1), send(1), send(2)), (Ok(()), Ok(()), Ok(())));
        assert_eq!(send(1), Err("third message of 1".to_owned()));
        assert_eq!(send(9), Err("connection 9 is not open in this instance".to_owned()));

        let info = CloseInfo { code: None, reason: None, cause: CloseCause::Network };
        connections.on_close(1, info.clone());
        connections.on_close(1, info);
        assert_eq!(CLOSED.get(), 3);
    }

    #[test]
    fn a_handler_that_fails_to_open_is_not_kept() {
        let connections = Connections::<Strict>::new();
        let without_origin = Request { origin: None, ..request() };
        assert_eq!(connections.open(1, &without_origin), Err("no origin".to_owned()));
        assert!(connections.0.borrow().is_empty());
    }

    #[test]
    fn the_handshake_is_decided_in_tornados_order() {
        let without_token = Request { headers: Vec::new(), ..request() };
        assert_eq!(decide::<Strict>(&without_token, false).unwrap_err().status, 401);

        let refusal = decide::<Strict>(&request(), false).unwrap_err();
        assert_eq!((refusal.status, refusal.body), (403, ORIGIN_REFUSED.as_bytes().to_vec()));

        let friend = Request { origin: Some("https://friend.example".to_owned()), ..request() };
        let acceptance = decide::<Strict>(&friend, false).unwrap();
        assert_eq!(acceptance.subprotocol.as_deref(), Some("v2"));
        assert_eq!((acceptance.ping_interval_ms, acceptance.ping_timeout_ms), (Some(1), None));

        let without_origin = Request { origin: None, subprotocols: Vec::new(), ..request() };
        assert_eq!(decide::<Strict>(&without_origin, false).unwrap_err().status, 403);
        assert_eq!(decide::<Strict>(&without_origin, true).unwrap().subprotocol, None);
    }

    #[test]
    fn times_are_whole_milliseconds() {
        assert_eq!(milliseconds(Duration::ZERO), 0);
        assert_eq!(milliseconds(Duration::from_secs(30)), 30_000);
        assert_eq!(milliseconds(Duration::MAX), u32::MAX);
    }
}
