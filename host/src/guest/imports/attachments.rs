//! The part of `whimbrel:websocket/connection` that outlives an event: which connections there are, and what is kept with
//! them.

use std::sync::Arc;

use wasmtime::StoreContextMut;
use wasmtime::component::{LinkerInstance, WasmList};

use super::on_connection;
use crate::guest::state::State;
use crate::guest::types::Error;

pub(super) fn add_to_linker(interface: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    interface.func_wrap("connections", |store: StoreContextMut<'_, State>, (): ()| {
        // A map's keys come in order.
        Ok((store.data().connections.keys().copied().collect::<Vec<u32>>(),))
    })?;
    interface.func_wrap("attach", |store: StoreContextMut<'_, State>, (id, data): (u32, WasmList<u8>)| {
        let data = data.as_le_slice(&store);
        Ok((on_connection(&store, id, |connection| Ok(connection.attach(data)?)),))
    })?;
    interface.func_wrap("attachment", attachment)
}

fn attachment(store: StoreContextMut<'_, State>, (id,): (u32,)) -> wasmtime::Result<(Result<Arc<[u8]>, Error>,)> {
    Ok((on_connection(&store, id, |connection| Ok(connection.attachment().unwrap_or_default())),))
}
