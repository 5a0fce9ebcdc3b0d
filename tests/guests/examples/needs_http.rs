//! A complete handler that also imports wasi:http, which a host does not offer.
//!
//! Rust's standard library describes wasi:http to the linker, so naming a function of it is enough.

#![allow(unsafe_code)]

use whimbrel_sdk::{Connection, Handler, Message, Request, Result, export};

#[link(wasm_import_module = "wasi:http/types@0.2.4")]
unsafe extern "C" {
    #[link_name = "[constructor]fields"]
    fn new_fields() -> i32;
}

struct Guest;

impl Handler for Guest {
    fn open(_connection: Connection, _request: &Request) -> Result<Self> {
        Ok(Guest)
    }

    fn on_message(&mut self, connection: Connection, _message: Message) -> Result {
        // SAFETY: the function takes nothing and yields a handle, as wasi:http says.
        let handle = unsafe { new_fields() };
        connection.send(handle.to_string())?;
        Ok(())
    }
}

export!(Guest);
