//! Tries what a sandbox must not allow, one command per message, and answers what came of it.

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::net::{TcpListener, TcpStream};
use std::{env, fs};

use whimbrel_sdk::{Connection, Handler, Message, Request, Result, export};

struct Guest;

impl Handler for Guest {
    fn open(_connection: Connection, _request: &Request) -> Result<Self> {
        Ok(Guest)
    }

    fn on_message(&mut self, connection: Connection, message: Message) -> Result {
        let command = message.as_text().unwrap_or_default();
        let (name, argument) = command.split_once(' ').unwrap_or((command, ""));
        let answer = match name {
            "read" => told(fs::read(argument).map(|data| format!("{} bytes", data.len()))),
            "write" => told(fs::write(argument, "whimbrel").map(|()| "written".to_owned())),
            "list" => told(fs::read_dir(argument).map(|entries| format!("{} entries", entries.count()))),
            "connect" => told(TcpStream::connect(argument).map(|_| "connected".to_owned())),
            "listen" => told(TcpListener::bind(argument).map(|_| "listening".to_owned())),
            "environment" => format!("{:?}", env::vars().collect::<Vec<_>>()),
            "arguments" => format!("{:?}", env::args().collect::<Vec<_>>()),
            "random" => format!("{:016x}", HashMap::<u8, u8>::new().hasher().hash_one(0)),
            _ => format!("unknown command {command:?}"),
        };
        connection.send(answer)?;
        Ok(())
    }
}

fn told(result: std::io::Result<String>) -> String {
    result.unwrap_or_else(|error| format!("refused: {error}"))
}

export!(Guest);
