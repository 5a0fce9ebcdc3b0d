//! Panics in its start once the time `PANICS_AFTER` (seconds since 1970) of its environment has passed.

#![allow(unsafe_code)]

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use whimbrel_sdk::{Connection, Handler, Message, Request, Result, export};

// SAFETY: nothing else in a guest has this name, which the linker gives to a component's start.
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    let time = env::var("PANICS_AFTER").ok().and_then(|text| text.parse().ok()).unwrap_or(u64::MAX);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    assert!(now < time, "start panicked on purpose");
}

struct Guest;

impl Handler for Guest {
    fn open(_connection: Connection, _request: &Request) -> Result<Self> {
        Ok(Guest)
    }

    fn on_message(&mut self, connection: Connection, message: Message) -> Result {
        connection.send(message)?;
        Ok(())
    }
}

export!(Guest);
