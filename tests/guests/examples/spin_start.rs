//! Never ends its start: it loops before any of its functions is called.

#![allow(unsafe_code)]

use whimbrel_sdk::{Connection, Handler, Message, Request, Result, export};

// SAFETY: nothing else in a guest has this name, which the linker gives to a component's start.
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    loop {
        std::hint::spin_loop();
    }
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
