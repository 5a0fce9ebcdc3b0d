//! Exports `handler` alone, without `upgrade`, and no SDK in between: the smallest world a guest can have.

#[rustfmt::skip]
#[allow(unsafe_code, unreachable_pub, clippy::too_many_lines, dead_code)]
#[path = "../bindings/minimal.rs"]
mod bindings;

use bindings::exports::whimbrel::websocket::handler::Guest;
use bindings::whimbrel::websocket::connection;
use bindings::whimbrel::websocket::types::{CloseInfo, ConnectionId, Message, Request};

struct Minimal;

impl Guest for Minimal {
    fn open(_connection: ConnectionId, _request: Request) -> Result<(), String> {
        Ok(())
    }

    fn on_message(connection: ConnectionId, message: Message) -> Result<(), String> {
        connection::send(connection, &message).map_err(|error| error.to_string())?;
        Ok(())
    }

    fn on_close(_connection: ConnectionId, _info: CloseInfo) {}

    fn on_ping(_connection: ConnectionId, _data: Vec<u8>) {}

    fn on_pong(_connection: ConnectionId, _data: Vec<u8>) {}
}

bindings::export!(Minimal with_types_in bindings);
