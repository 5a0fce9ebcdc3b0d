//! Begins with 100 KiB of data, as guests with an engine inside begin with much more: answers with one byte of it, and
//! overwrites it.

use std::sync::{Mutex, PoisonError};

use whimbrel_sdk::{Connection, Handler, Message, Request, Result, export};

const SIZE: usize = 100 << 10;

static DATA: Mutex<[u8; SIZE]> = Mutex::new(pattern());

const fn pattern() -> [u8; SIZE] {
    let mut data = [0; SIZE];
    let mut at = 0;
    while at < SIZE {
        data[at] = (at % 251) as u8 + 1;
        at += 1;
    }
    data
}

struct LargeData;

impl Handler for LargeData {
    fn open(_connection: Connection, _request: &Request) -> Result<Self> {
        Ok(LargeData)
    }

    fn on_message(&mut self, connection: Connection, message: Message) -> Result {
        let Message::Text(text) = message else { return Ok(()) };
        let at = text.parse().unwrap_or(0) % SIZE;
        let mut data = DATA.lock().unwrap_or_else(PoisonError::into_inner);
        connection.send(std::mem::take(&mut data[at]).to_string())?;
        Ok(())
    }
}

export!(LargeData);
