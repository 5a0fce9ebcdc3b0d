//! What guests import from the host.

mod attachments;
mod connection;
mod topics;

use bytes::{Bytes, BytesMut};
use bytesize::ByteSize;
use wasmtime::component::{ComponentType, Lift, Linker, WasmList, WasmStr};
use wasmtime::{StoreContext, StoreContextMut};

use super::clock::EventClock;
use super::state::State;
use super::trap::ExecutionSpent;
use super::types::Error;
use crate::ids::ConnectionId;
use crate::message::{self, Opcode};
use crate::outbound::SendError;

/// Offer all of it to guests.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    connection::add_to_linker(linker)?;
    topics::add_to_linker(linker)
}

/// The contract's `message`, still in the guest's memory.
#[derive(ComponentType, Lift)]
#[component(variant)]
enum GuestMessage {
    #[component(name = "text")]
    Text(WasmStr),
    #[component(name = "binary")]
    Binary(WasmList<u8>),
}

impl GuestMessage {
    /// Give opcode and payload to `send`, without a copy unless the guest's strings are UTF-16. Text that is not
    /// UTF-8 is a trap, as the component model demands.
    fn read<R>(&self, store: StoreContext<'_, State>, send: impl FnOnce(Opcode, &[u8]) -> R) -> wasmtime::Result<R> {
        Ok(match self {
            GuestMessage::Text(text) => send(Opcode::Text, text.to_str(store)?.as_bytes()),
            GuestMessage::Binary(bytes) => send(Opcode::Binary, bytes.as_le_slice(store)),
        })
    }
}

impl GuestMessage {
    /// The message as one frame for many, unless it is over the limit for a message of this deployment.
    fn encode(&self, store: &StoreContextMut<'_, State>) -> wasmtime::Result<Result<Bytes, SendError>> {
        let limit = store.data().shared.limits.largest_sent();
        self.read(store.into(), |opcode, payload| {
            if payload.len() > limit {
                return Err(SendError::TooLarge(limit));
            }
            let mut frame = BytesMut::new();
            message::encode(opcode, payload, &mut frame);
            Ok(frame.freeze())
        })
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Closed => Error::Closed,
            SendError::TooLarge(limit) => Error::TooLarge(clamp(limit)),
            SendError::Full(waiting) => Error::BufferFull(clamp(waiting)),
        }
    }
}

/// The contract's error for what was not queued. A message that could never be is reported; that the outbound is full, its
/// connection tells.
fn refused(state: &State, connection: Option<ConnectionId>, error: SendError) -> Error {
    if let SendError::TooLarge(most) = error {
        state.shared.hits.report("limits.outbound", connection, "a larger message", ByteSize(most as u64));
    }
    error.into()
}

/// Between two parts of a call's work: charge the guest for what was done, which no epoch tick has seen, and let others
/// run.
async fn pause(clock: &EventClock) -> wasmtime::Result<()> {
    if !clock.charge() {
        return Err(ExecutionSpent(clock.budget()).into());
    }
    tokio::task::yield_now().await;
    Ok(())
}

/// The contract's numbers of bytes are 32 bits wide; no limit can be set beyond.
fn clamp(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// One of the contract's functions on one connection.
fn on_connection<R>(
    store: &StoreContextMut<'_, State>,
    id: u32,
    act: impl FnOnce(&std::sync::Arc<crate::outbound::Outbound>) -> Result<R, Error>,
) -> Result<R, Error> {
    match store.data().connection(id) {
        Some(connection) => act(connection),
        None => Err(Error::UnknownConnection),
    }
}
