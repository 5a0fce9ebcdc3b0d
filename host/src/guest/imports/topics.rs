//! `whimbrel:websocket/topics`: fan-out between the connections of a deployment.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, WasmList, WasmStr};

use super::{GuestMessage, on_connection, refused};
use crate::guest::state::{Shared, State};
use crate::guest::types::Error;
use crate::ids::ConnectionId;
use crate::topics::TopicError;

/// The most connections that one publication may leave out.
const EXCEPT: usize = 10_000;

type Answer<T> = wasmtime::Result<(Result<T, Error>,)>;

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut interface = linker.instance("whimbrel:websocket/topics@0.1.0")?;
    interface.func_wrap("subscribe", subscribe)?;
    interface.func_wrap("unsubscribe", unsubscribe)?;
    interface.func_wrap("publish", publish)
}

fn subscribe(store: StoreContextMut<'_, State>, (id, topic): (u32, WasmStr)) -> Answer<()> {
    let topic = topic.to_str(&store)?;
    let shared = &store.data().shared;
    Ok((on_connection(&store, id, |connection| {
        check(&topic, shared)?;
        let most = shared.limits.subscriptions;
        shared.topics.subscribe(connection, &topic, most).map_err(|error| {
            if let TopicError::Subscriptions(_) = error {
                shared.hits.report("limits.subscriptions", Some(connection.id), "one more", most);
            }
            error.into()
        })
    }),))
}

fn unsubscribe(store: StoreContextMut<'_, State>, (id, topic): (u32, WasmStr)) -> Answer<()> {
    let topic = topic.to_str(&store)?;
    let shared = &store.data().shared;
    Ok((on_connection(&store, id, |connection| {
        check(&topic, shared)?;
        shared.topics.unsubscribe(connection, &topic);
        Ok(())
    }),))
}

fn publish(
    store: StoreContextMut<'_, State>,
    (topic, message, except): (WasmStr, GuestMessage, WasmList<u32>),
) -> Answer<u32> {
    let topic = topic.to_str(&store)?;
    if let Err(error) = check(&topic, &store.data().shared) {
        return Ok((Err(error),));
    }
    let except = match excepted(except.as_le_slice(&store)) {
        Ok(except) => except,
        Err(error) => return Ok((Err(error),)),
    };
    let frame = match message.encode(&store)? {
        Ok(frame) => frame,
        Err(error) => return Ok((Err(refused(store.data(), None, error)),)),
    };
    Ok((Ok(store.data().shared.topics.publish(&topic, &frame, &except)),))
}

/// In order, to be searched while the topic is locked.
fn excepted(ids: &[u32]) -> Result<Vec<ConnectionId>, Error> {
    if ids.len() > EXCEPT {
        let length = ids.len();
        return Err(Error::Invalid(format!("except: {length} connections; at most {EXCEPT} are allowed")));
    }
    let mut except: Vec<_> = ids.iter().map(|id| ConnectionId(u32::from_le(*id))).collect();
    except.sort_unstable();
    Ok(except)
}

fn check(topic: &str, shared: &Shared) -> Result<(), Error> {
    let (length, most) = (topic.len(), shared.limits.topic_size);
    if (1..=most).contains(&length) {
        return Ok(());
    }
    if length > most {
        shared.hits.report("limits.topic_size", None, format_args!("{length} bytes"), most);
    }
    Err(Error::Invalid(format!("topic: {length} bytes; 1 to {most} are allowed (limits.topic_size)")))
}

impl From<TopicError> for Error {
    fn from(error: TopicError) -> Self {
        match error {
            TopicError::Subscriptions(_) => Error::Denied(error.to_string()),
            TopicError::Closed => Error::Closed,
        }
    }
}
