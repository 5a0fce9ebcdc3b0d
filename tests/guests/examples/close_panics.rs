//! Echoes, and panics in `on-close`.

use whimbrel_sdk::{CloseInfo, Connection, Handler, Message, Request, Result, export};

struct Guest;

impl Handler for Guest {
    fn open(_connection: Connection, _request: &Request) -> Result<Self> {
        Ok(Guest)
    }

    fn on_message(&mut self, connection: Connection, message: Message) -> Result {
        connection.send(message)?;
        Ok(())
    }

    fn on_close(self, connection: Connection, _info: CloseInfo) {
        panic!("close of {connection} panicked on purpose")
    }
}

export!(Guest);
