//! Abuses what it may call, as a test tells it: a text message is a command, and so are the values of `upgrade`, `open`,
//! `close`, `ping` and `pong` in the query string, for those functions. What comes of a command is answered, if it ends.

use std::io::{Read as _, Write as _};
use std::time::Duration;
use std::{io, process, thread};

use test_guests::query;
use whimbrel_sdk::{CloseInfo, Connection, Error, Handler, Message, Refusal, Request, Result, export, publish};

struct Hostile {
    query: Option<String>,
    hoard: Vec<Vec<u8>>,
}

impl Handler for Hostile {
    fn open(connection: Connection, request: &Request) -> Result<Self> {
        let mut guest = Hostile { query: request.query.clone(), hoard: Vec::new() };
        guest.at("open", connection)?;
        Ok(guest)
    }

    fn on_message(&mut self, connection: Connection, message: Message) -> Result {
        let answer = self.run(connection, message.as_text().unwrap_or_default())?;
        if connection.send(answer.as_str()).is_err() {
            println!("unsent {answer}");
        }
        Ok(())
    }

    fn on_close(mut self, connection: Connection, info: CloseInfo) {
        let answer = self.at("close", connection).unwrap_or_else(|error| error.text().to_owned());
        println!("event close id={connection} cause={:?} answer={answer}", info.cause);
    }

    fn on_ping(&mut self, connection: Connection, _data: &[u8]) {
        let _ = self.at("ping", connection);
    }

    fn on_pong(&mut self, connection: Connection, _data: &[u8]) {
        let _ = self.at("pong", connection);
    }

    fn prepare(request: &Request) -> Result<(), Refusal> {
        let Some(command) = query::value(request.query.as_deref(), "upgrade") else { return Ok(()) };
        let (name, argument) = command.split_once(' ').unwrap_or((&command, ""));
        let size = argument.parse().unwrap_or(0);
        let refusal = Refusal::new(403);
        match name {
            "spin" => spin(),
            "panic" => panic!("{argument}"),
            "body" => Err(refusal.body("x".repeat(size))),
            "headers" => Err((0..size).fold(refusal, |refusal, number| refusal.header(format!("x-{number}"), "x"))),
            "name" => Err(refusal.header("x".repeat(size), "x")),
            "value" => Err(refusal.header("x", "x".repeat(size))),
            "split" => Err(refusal.header("x", "a\r\nset-cookie: stolen=1\r\n\r\n<script>")),
            _ => Ok(()),
        }
    }

    fn select_subprotocol(_offered: &[String], request: &Request) -> Option<String> {
        let size = query::value(request.query.as_deref(), "subprotocol")?.parse().ok()?;
        Some("x".repeat(size))
    }
}

impl Hostile {
    fn at(&mut self, function: &str, connection: Connection) -> Result<String> {
        let command = query::value(self.query.as_deref(), function).unwrap_or_default();
        self.run(connection, &command)
    }

    fn run(&mut self, connection: Connection, command: &str) -> Result<String> {
        let (name, argument) = command.split_once(' ').unwrap_or((command, ""));
        let size = argument.parse().unwrap_or(0);
        Ok(match name {
            "spin" => spin(),
            "panic" => panic!("{argument}"),
            "abort" => process::abort(),
            "exit" => process::exit(size as i32),
            "recurse" => recurse(u64::MAX).to_string(),
            "fail" => return Err("\u{1b}".repeat(size).into()),
            "forever" => self.forever(connection, argument),
            "allocate" => loop {
                self.hoard.push(vec![1; 64 * 1024]);
            },
            "leak" => {
                self.hoard.push(vec![1; size]);
                "ok".to_owned()
            }
            "sleep" => {
                thread::sleep(Duration::from_secs(size as u64));
                "ok".to_owned()
            }
            "sleep-ms" => {
                thread::sleep(Duration::from_millis(size as u64));
                "ok".to_owned()
            }
            "drained" => told(connection.send("x".repeat(size)).and_then(|_| connection.drained(0))),
            "close-then" => format!("{} {}", told(connection.close(Some(4000), "")), self.run(connection, argument)?),
            "stdin" => format!("{:?}", io::stdin().read(&mut [0; 16])),
            _ => once(connection, name, argument, size),
        })
    }

    /// One kind of call without an end.
    fn forever(&mut self, connection: Connection, what: &str) -> String {
        let other = Connection::from_id(connection.id() + 1);
        for number in 0_u64.. {
            match what {
                "send" => drop(connection.send("x")),
                "send-large" => drop(connection.send(vec![0; 1 << 20])),
                "ping" => drop(connection.ping(b"x")),
                "subscribe" => drop(connection.subscribe(&number.to_string())),
                "resubscribe" => drop(connection.subscribe("x").and_then(|()| connection.unsubscribe("x"))),
                "publish" => drop(connection.subscribe("x").and_then(|()| publish("x", "x", &[]))),
                "publish-nobody" => drop(publish(&number.to_string(), "x", &[])),
                "close" => drop(connection.close(Some(4000), "x")),
                "nodelay" => drop(connection.set_nodelay(number % 2 == 0)),
                "inspect" => drop(connection.inspect()),
                "print" => println!("\u{1b}[31mforever\r"),
                "eprint" => eprintln!("forever"),
                "foreign" => drop(other.send("x")),
                "drained" => drop(connection.drained(u32::MAX)),
                "sleep" => thread::sleep(Duration::ZERO),
                _ => return format!("unknown loop {what:?}"),
            }
        }
        String::new()
    }
}

/// Commands that are one call into the host, with as much as `size` says.
fn once(connection: Connection, name: &str, argument: &str, size: usize) -> String {
    let long = || "x".repeat(size);
    match name {
        "echo" => argument.to_owned(),
        "send" => told(connection.send(long()).map(drop)),
        "send-many" => Connection::send_many(&vec![connection; size], "").to_string(),
        "send-many-foreign" => Connection::send_many(&vec![Connection::from_id(u32::MAX); size], "x").to_string(),
        "except" => told(connection.subscribe("x").and_then(|()| publish("x", "x", &vec![connection; size])).map(drop)),
        "subscribe" => told(connection.subscribe(&long())),
        "unsubscribe" => told(connection.unsubscribe(&long())),
        "publish" => told(publish(&long(), "x", &[]).map(drop)),
        "publish-size" => told(publish("x", long(), &[]).map(drop)),
        "ping" => told(connection.ping(long().as_bytes())),
        "reason" => told(connection.close(Some(1000), &long())),
        "code" => told(connection.close(u16::try_from(size).ok(), "")),
        "print" => print(&long()),
        "lines" => print(&"x\n".repeat(size)),
        "forge" => print("a\r\n\u{1b}[2J{\"level\":\"ERROR\",\"message\":\"forged\"}\u{9b}31m\u{2028}b"),
        "to" => {
            let other = Connection::from_id(u32::try_from(size).unwrap_or(0));
            let results = [
                other.send("x").map(drop),
                other.ping(b"x"),
                other.close(Some(1000), ""),
                other.set_nodelay(true),
                other.inspect().map(drop),
                other.subscribe("x"),
                other.unsubscribe("x"),
                other.drained(0),
            ];
            results.map(told).join(" ")
        }
        _ => "ok".to_owned(),
    }
}

fn print(text: &str) -> String {
    let written = io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().write_all(b"\n"));
    written.map_or_else(|error| error.to_string(), |()| "ok".to_owned())
}

fn told(result: Result<(), Error>) -> String {
    result.map_or_else(|error| format!("{error:?}"), |()| "ok".to_owned())
}

fn spin() -> ! {
    loop {
        std::hint::spin_loop();
    }
}

/// Needs as much stack as its argument is large; written so that no compiler makes a loop of it.
fn recurse(depth: u64) -> u64 {
    if depth == 0 {
        return 0;
    }
    let frame = std::hint::black_box([depth; 64]);
    recurse(depth - 1) + frame.iter().sum::<u64>()
}

export!(Hostile);
