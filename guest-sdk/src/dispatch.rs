//! From the exported functions to the handler of the connection; used by [`export!`](crate::export) only.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use crate::bindings::exports::whimbrel::websocket::fit;
pub use crate::bindings::exports::whimbrel::websocket::fit::Scope;
use crate::bindings::exports::whimbrel::websocket::{handler, upgrade};
use crate::lifecycle_bindings::exports::whimbrel::websocket::lifecycle;
use crate::{CloseInfo, Connection, Failure, Handler, Lifecycle, Message, Refusal, Request, Result};

const ORIGIN_REFUSED: &str = "Cross origin websockets not allowed";

/// Whom an instance may serve that knows only the connections which it opened itself.
pub const OPENED_HERE: &[Scope] = &[Scope::Connection, Scope::Room, Scope::Shared];
/// Whom one may serve that can resume connections which others opened.
pub const OPENED_ANYWHERE: &[Scope] = &[Scope::Connection, Scope::Room, Scope::Shared, Scope::Event];

/// The exported component: a handler, and where its connections are.
pub trait Export {
    /// The guest's handler.
    type Handler: Handler;

    /// The scopes that the guest fits.
    const SCOPES: &'static [Scope];

    /// Makes the handler of a connection that another instance opened.
    fn resume(connection: Connection) -> Result<Self::Handler>;

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
        let handler = H::open(Connection::from_id(id), request).map_err(Failure::into_text)?;
        self.0.borrow_mut().insert(id, handler);
        Ok(())
    }

    fn on_message(&self, id: u32, message: Message, resume: Resume<H>) -> Result<(), String> {
        let returned = self.with(id, resume, |handler, connection| handler.on_message(connection, message));
        returned.and_then(|returned| returned).map_err(Failure::into_text)
    }

    fn on_close(&self, id: u32, info: CloseInfo, resume: Resume<H>) {
        let connection = Connection::from_id(id);
        let known = self.0.borrow_mut().remove(&id);
        match known.map_or_else(|| resume(connection), Ok) {
            Ok(handler) => handler.on_close(connection, info),
            Err(failure) => left_out("on-close", failure),
        }
    }

    fn on_control(&self, function: &str, id: u32, resume: Resume<H>, run: impl FnOnce(&mut H, Connection)) {
        if let Err(failure) = self.with(id, resume, run) {
            left_out(function, failure);
        }
    }

    /// Runs a function on the connection's handler, which is made first where another instance opened the connection.
    fn with<T>(&self, id: u32, resume: Resume<H>, run: impl FnOnce(&mut H, Connection) -> T) -> Result<T> {
        let connection = Connection::from_id(id);
        let mut handlers = self.0.borrow_mut();
        let handler = match handlers.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(resume(connection)?),
        };
        Ok(run(handler, connection))
    }
}

type Resume<H> = fn(Connection) -> Result<H>;

/// Says in the log that an event was left out: its function has no error to return.
fn left_out(function: &str, failure: Failure) {
    eprintln!("{function} is left out: {}", failure.into_text());
}

/// What a handler without [`Resume`](crate::Resume) does about a connection that it did not open.
///
/// # Errors
///
/// Always.
pub fn cannot_resume<H>(connection: Connection, name: &str) -> Result<H> {
    Err(Failure::new(format!(
        "connection {connection} was opened by another instance; write export!({name}: Default) for a handler \
         without state, or implement Resume for it and write export!({name}: Resume)"
    )))
}

impl<E: Export> handler::Guest for E {
    fn open(connection: u32, request: Request) -> Result<(), String> {
        E::connections(|connections| connections.open(connection, &request))
    }

    fn on_message(connection: u32, message: Message) -> Result<(), String> {
        E::connections(|connections| connections.on_message(connection, message, E::resume))
    }

    fn on_close(connection: u32, info: CloseInfo) {
        E::connections(|connections| connections.on_close(connection, info, E::resume));
    }

    fn on_ping(connection: u32, data: Vec<u8>) {
        E::connections(|connections| {
            connections.on_control("on-ping", connection, E::resume, |handler, it| handler.on_ping(it, &data));
        });
    }

    fn on_pong(connection: u32, data: Vec<u8>) {
        E::connections(|connections| {
            connections.on_control("on-pong", connection, E::resume, |handler, it| handler.on_pong(it, &data));
        });
    }
}

impl<E: Export> upgrade::Guest for E {
    fn upgrade(request: Request, origin_allowed: bool) -> Result<upgrade::Acceptance, Refusal> {
        decide::<E::Handler>(&request, origin_allowed)
    }
}

impl<E: Export> fit::Guest for E {
    fn scopes() -> Vec<Scope> {
        E::SCOPES.to_vec()
    }
}

impl<E: Export<Handler: Lifecycle>> lifecycle::Guest for E {
    fn snapshot() -> Result<Vec<u8>, String> {
        E::Handler::snapshot().map_err(Failure::into_text)
    }

    fn restore(state: Vec<u8>) -> Result<(), String> {
        E::Handler::restore(&state).map_err(Failure::into_text)
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
    use crate::CloseCause;
    use crate::request::tests::request;

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
        let stranger = |connection| cannot_resume(connection, "Strict");
        let send = |id| connections.on_message(id, Message::from("m"), stranger);
        assert_eq!((send(1), send(1), send(2)), (Ok(()), Ok(()), Ok(())));
        assert_eq!(send(1), Err("third message of 1".to_owned()));
        let strange = send(9).unwrap_err();
        assert!(strange.starts_with("connection 9 was opened by another instance; write export!(Strict: Default)"));

        let info = CloseInfo { code: None, reason: None, cause: CloseCause::Network };
        connections.on_close(1, info.clone(), stranger);
        connections.on_close(1, info, stranger);
        assert_eq!(CLOSED.get(), 3);
    }

    #[test]
    fn a_connection_of_another_instance_is_resumed_once() {
        let connections = Connections::<Strict>::new();
        let resume = |_| Ok(Strict(1));
        let send = || connections.on_message(1, Message::from("m"), resume);
        assert_eq!((send(), send()), (Ok(()), Err("third message of 1".to_owned())));
        connections.on_control("on-ping", 2, resume, |handler, _| handler.0 += 10);
        assert_eq!(connections.0.borrow()[&2].0, 11);

        let info = CloseInfo { code: None, reason: None, cause: CloseCause::Network };
        connections.on_close(2, info.clone(), resume);
        connections.on_close(3, info, resume);
        assert_eq!(CLOSED.get(), 12);
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
