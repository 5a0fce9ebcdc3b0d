use whimbrel_sdk::{Connection, Handler, Message, Request, Result, export};

#[derive(Default)]
struct Echo;

impl Handler for Echo {
    fn open(_connection: Connection, _request: &Request) -> Result<Self> {
        Ok(Echo)
    }

    fn on_message(&mut self, connection: Connection, message: Message) -> Result {
        connection.send(message)?;
        Ok(())
    }
}

export!(Echo: Default);
