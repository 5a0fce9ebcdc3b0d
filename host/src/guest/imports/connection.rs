//! `whimbrel:websocket/connection`: what a handler may do to its connections.

use bytes::Bytes;
use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Linker, Lower, WasmList};

use super::{GuestMessage, attachments, clamp, on_connection, pause, refused};
use crate::guest::state::State;
use crate::guest::types::Error;
use crate::message::Opcode;
use crate::outbound::Wish;
use crate::session::CloseFrame;

/// The most payload that a control frame carries (RFC 6455 section 5.5).
const CONTROL_BYTES: usize = 125;
/// The most that a close frame's reason may have beside its code.
const REASON_BYTES: usize = CONTROL_BYTES - 2;
/// Connections of one `send-many` that are served before others get their turn.
const IDS_PER_TURN: usize = 4096;

/// The contract's `info`.
#[derive(ComponentType, Lower)]
#[component(record)]
struct Info {
    subprotocol: Option<String>,
    open: bool,
    buffered: u32,
    #[component(name = "messages-in")]
    messages_in: u64,
    #[component(name = "messages-out")]
    messages_out: u64,
    #[component(name = "round-trip-us")]
    round_trip_us: Option<u32>,
}

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut interface = linker.instance("whimbrel:websocket/connection@0.1.0")?;
    interface.func_wrap("send", send)?;
    interface.func_wrap_async("send-many", |store, (ids, message): (WasmList<u32>, GuestMessage)| {
        Box::new(async move { Ok((send_many(store, ids, message).await?,)) })
    })?;
    interface.func_wrap_async("drained", |store, (id, low_water): (u32, u32)| {
        Box::new(async move { Ok((drained(store, id, low_water).await,)) })
    })?;
    interface.func_wrap("ping", ping)?;
    interface.func_wrap("close", close)?;
    interface.func_wrap("set-nodelay", |store: StoreContextMut<'_, State>, (id, on): (u32, bool)| {
        Ok((on_connection(&store, id, |connection| Ok(connection.wish(Wish::NoDelay(on))?)),))
    })?;
    interface.func_wrap("inspect", inspect)?;
    attachments::add_to_linker(&mut interface)
}

fn send(
    store: StoreContextMut<'_, State>,
    (id, message): (u32, GuestMessage),
) -> wasmtime::Result<(Result<u32, Error>,)> {
    let Some(connection) = store.data().connection(id) else {
        return Ok((Err(Error::UnknownConnection),));
    };
    let sent = message.read((&store).into(), |opcode, payload| connection.send(opcode, payload))?;
    Ok((sent.map(clamp).map_err(|error| refused(store.data(), Some(connection.id), error)),))
}

async fn send_many(
    store: StoreContextMut<'_, State>,
    ids: WasmList<u32>,
    message: GuestMessage,
) -> wasmtime::Result<u32> {
    // Too large for any of them: nobody took it.
    let Ok(frame) = message.encode(&store)? else { return Ok(0) };
    let mut took = 0;
    for start in (0..ids.len()).step_by(IDS_PER_TURN) {
        if start > 0 {
            pause(&store.data().clock).await?;
        }
        let some = ids.as_le_slice(&store).iter().skip(start).take(IDS_PER_TURN);
        took += send_some(store.data(), some.map(|id| u32::from_le(*id)), &frame);
    }
    Ok(clamp(took))
}

/// Queue the frame for those of the connections that are the instance's; yields how many took it.
fn send_some(state: &State, ids: impl Iterator<Item = u32>, frame: &Bytes) -> usize {
    let (mut took, mut foreign, mut last) = (0, 0, 0);
    for id in ids {
        match state.connections.get(&id) {
            Some(connection) => took += usize::from(connection.send_encoded(frame).is_ok()),
            None => (foreign, last) = (foreign + 1, id),
        }
    }
    if foreign > 0 {
        state.foreign(last, foreign);
    }
    took
}

async fn drained(store: StoreContextMut<'_, State>, id: u32, low_water: u32) -> Result<(), Error> {
    let Some(connection) = store.data().connection(id).cloned() else {
        return Err(Error::UnknownConnection);
    };
    Ok(connection.drained(low_water as usize).await?)
}

fn ping(store: StoreContextMut<'_, State>, (id, data): (u32, WasmList<u8>)) -> wasmtime::Result<(Result<(), Error>,)> {
    let data = data.as_le_slice(&store);
    Ok((on_connection(&store, id, |connection| {
        if data.len() > CONTROL_BYTES {
            let length = data.len();
            return Err(Error::Invalid(format!("data: {length} bytes; at most {CONTROL_BYTES} are allowed")));
        }
        let sent = connection.send(Opcode::Ping, data);
        sent.map(drop).map_err(|error| refused(store.data(), Some(connection.id), error))
    }),))
}

fn close(
    store: StoreContextMut<'_, State>,
    (id, code, reason): (u32, Option<u16>, wasmtime::component::WasmStr),
) -> wasmtime::Result<(Result<(), Error>,)> {
    let reason = reason.to_str(&store)?;
    Ok((on_connection(&store, id, |connection| {
        let frame = check_close(code, &reason).map_err(Error::Invalid)?;
        Ok(connection.wish(Wish::Close(frame))?)
    }),))
}

fn check_close(code: Option<u16>, reason: &str) -> Result<Option<CloseFrame>, String> {
    match code {
        None if reason.is_empty() => return Ok(None),
        None => return Err("reason: allowed only with a code".to_owned()),
        Some(1000..=1003 | 1007..=1014 | 3000..=4999) => {}
        Some(code) => {
            return Err(format!("code: {code}; allowed are 1000 to 1003, 1007 to 1014, 3000 to 4999"));
        }
    }
    if reason.len() > REASON_BYTES {
        return Err(format!("reason: {} bytes; at most {REASON_BYTES} are allowed", reason.len()));
    }
    Ok(code.map(|code| CloseFrame::new(code, reason)))
}

fn inspect(store: StoreContextMut<'_, State>, (id,): (u32,)) -> wasmtime::Result<(Result<Info, Error>,)> {
    Ok((on_connection(&store, id, |connection| {
        Ok(Info {
            subprotocol: connection.subprotocol.clone(),
            open: connection.is_open(),
            buffered: clamp(connection.waiting()),
            messages_in: connection.messages_in(),
            messages_out: connection.messages_out(),
            round_trip_us: connection.round_trip_us(),
        })
    }),))
}

#[cfg(test)]
mod tests {
    use super::check_close;

    #[test]
    fn close_takes_what_may_be_on_the_wire() {
        for code in [1000, 1003, 1007, 1014, 3000, 4999] {
            assert!(check_close(Some(code), "").is_ok(), "{code}");
        }
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
            let error = check_close(Some(code), "").unwrap_err();
            assert!(error.starts_with(&format!("code: {code};")), "{error}");
        }
        assert_eq!(check_close(None, ""), Ok(None));
        assert!(check_close(None, "why").is_err());
        assert!(check_close(Some(1000), &"x".repeat(123)).is_ok());
        assert!(check_close(Some(1000), &"x".repeat(124)).is_err());
    }
}
