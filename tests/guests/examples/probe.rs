//! Does what a test tells it: each line of a text message is a command, and each command gets one text as its answer.
//!
//! `ok`, `ok VALUE` or `error VARIANT` answer calls into the host; what cannot be sent is printed as `unsent …`. A
//! binary message is echoed. Events are printed, one line each: `event open id=1 args=[room=lobby,_=none]`. Commands
//! for `open` stand in the query string: `?open=subscribe+a%0aid`.

use std::fmt::Debug;
use std::time::{Duration, Instant};
use std::{env, thread};

use test_guests::query;
use whimbrel_sdk::{CloseInfo, Connection, Error, Handler, Info, Message, Request, Result, export, publish};

struct Probe {
    request: Request,
    messages: u32,
    hoard: Vec<Vec<u8>>,
}

impl Handler for Probe {
    fn open(connection: Connection, request: &Request) -> Result<Self> {
        println!("event open id={connection} args={}", args(request));
        let mut probe = Probe { request: request.clone(), messages: 0, hoard: Vec::new() };
        if let Some(commands) = query::value(request.query.as_deref(), "open") {
            probe.run(connection, &commands)?;
        }
        Ok(probe)
    }

    fn on_message(&mut self, connection: Connection, message: Message) -> Result {
        self.messages += 1;
        match message {
            Message::Text(commands) => self.run(connection, &commands),
            Message::Binary(data) => Ok(connection.send(data).map(drop)?),
        }
    }

    fn on_close(self, connection: Connection, info: CloseInfo) {
        let code = info.code.map_or("none".to_owned(), |code| code.to_string());
        let cause = info.cause;
        let inspected = connection.inspect().map_or_else(|error| format!("{error:?}"), |it| shown(&it));
        println!(
            "event close id={connection} code={code} reason={:?} cause={} messages={} inspect=[{inspected}]",
            info.reason.unwrap_or_default(),
            kebab(&format!("{cause:?}")),
            self.messages,
        );
        let kept = attachment(connection);
        if kept != "ok \"\"" {
            let attached = connection.attach(b"last words");
            println!("event kept id={connection} {kept}; {attached:?} {}", attachment(connection));
        }
    }

    fn on_ping(&mut self, connection: Connection, data: &[u8]) {
        println!("event ping id={connection} data={:?}", String::from_utf8_lossy(data));
    }

    fn on_pong(&mut self, connection: Connection, data: &[u8]) {
        println!("event pong id={connection} data={:?}", String::from_utf8_lossy(data));
    }
}

impl Probe {
    fn run(&mut self, connection: Connection, commands: &str) -> Result {
        for command in commands.lines() {
            let (name, argument) = command.split_once(' ').unwrap_or((command, ""));
            let answer = match name {
                "fail" => return Err(argument.into()),
                "panic" => panic!("{argument}"),
                _ => call(connection, name, argument)
                    .or_else(|| self.look(connection, name, argument))
                    .or_else(|| self.strain(connection, name, argument))
                    .unwrap_or_else(|| format!("unknown command {command:?}")),
            };
            if let Err(error) = connection.send(answer.as_str()) {
                println!("unsent {answer} id={connection} because={error:?}");
            }
        }
        Ok(())
    }

    /// Commands that only tell something.
    fn look(&self, connection: Connection, name: &str, argument: &str) -> Option<String> {
        Some(match name {
            "id" => connection.to_string(),
            "count" => self.messages.to_string(),
            "args" => args(&self.request),
            "header" => self.request.header(argument).unwrap_or("none").to_owned(),
            "headers" => names(&self.request),
            "request" => format!(
                "path={} query={} host={} origin={} subprotocols=[{}] peer={} secure={}",
                self.request.path,
                self.request.query.as_deref().unwrap_or("none"),
                self.request.host,
                self.request.origin.as_deref().unwrap_or("none"),
                self.request.subprotocols.join(","),
                self.request.peer,
                self.request.secure,
            ),
            "env" => env::var(argument).unwrap_or_else(|_| "none".to_owned()),
            "argv" => format!("{:?}", env::args().collect::<Vec<_>>()),
            "print" => {
                println!("{argument}");
                "ok".to_owned()
            }
            "eprint" => {
                eprintln!("{argument}");
                "ok".to_owned()
            }
            _ => return None,
        })
    }

    /// Commands that take time, memory or room in the outbound buffer.
    fn strain(&mut self, connection: Connection, name: &str, argument: &str) -> Option<String> {
        match name {
            "spin" => loop {
                std::hint::spin_loop();
            },
            "work" => {
                let (began, time) = (Instant::now(), Duration::from_millis(argument.parse().ok()?));
                while began.elapsed() < time {
                    std::hint::spin_loop();
                }
            }
            "chatter" => (0..argument.parse::<u32>().ok()?).for_each(|line| println!("line {line}")),
            "exit" => std::process::exit(0),
            "recurse" => return Some(recurse(u64::MAX).to_string()),
            "sleep" => thread::sleep(Duration::from_millis(argument.parse().ok()?)),
            "grow" => self.hoard.push(vec![1; argument.parse::<usize>().ok()? << 20]),
            "burst" => {
                let (count, size) = argument.split_once(' ')?;
                let message = "x".repeat(size.parse().ok()?);
                for number in 0..count.parse::<u32>().ok()? {
                    if let Err(error) = connection.send(message.as_str()) {
                        return Some(format!("error {error:?} after {number}"));
                    }
                }
            }
            _ => return None,
        }
        Some("ok".to_owned())
    }
}

/// Commands that are one call into the host.
fn call(connection: Connection, name: &str, argument: &str) -> Option<String> {
    let (first, rest) = argument.split_once(' ').unwrap_or((argument, ""));
    Some(match name {
        "send" => result(connection.send(argument)),
        "send-binary" => result(connection.send(argument.as_bytes())),
        "send-size" => result(connection.send("x".repeat(argument.parse().ok()?))),
        "send-to" => result(Connection::from_id(first.parse().ok()?).send(rest)),
        "send-many" => format!("ok {}", Connection::send_many(&connections(first)?, rest)),
        "drained" => result(connection.drained(argument.parse().ok()?)),
        "ping" => result(connection.ping(argument.as_bytes())),
        "close" => result(connection.close(first.parse().ok(), rest)),
        "close-to" => result(Connection::from_id(first.parse().ok()?).close(Some(1000), rest)),
        "nodelay" => result(connection.set_nodelay(argument == "on")),
        "inspect" => connection.inspect().map_or_else(|error| format!("error {error:?}"), |it| shown(&it)),
        "subscribe" => result(connection.subscribe(argument)),
        "unsubscribe" => result(connection.unsubscribe(argument)),
        "connections" => format!("{:?}", whimbrel_sdk::connections().iter().map(|it| it.id()).collect::<Vec<_>>()),
        "attach" => result(connection.attach(argument.as_bytes())),
        "attach-size" => result(connection.attach(&vec![b'a'; argument.parse().ok()?])),
        "attach-to" => result(Connection::from_id(first.parse().ok()?).attach(rest.as_bytes())),
        "attachment" => attachment(connection),
        "attachment-of" => attachment(Connection::from_id(argument.parse().ok()?)),
        "publish" => result(publish(first, rest, &[])),
        "publish-others" => result(publish(first, rest, &[connection])),
        _ => return None,
    })
}

fn result<T: Debug>(result: Result<T, Error>) -> String {
    match result {
        Ok(value) => format!("ok {value:?}").trim_end_matches(" ()").to_owned(),
        Err(error) => format!("error {error:?}"),
    }
}

/// Short ones as they are, others by their size.
fn attachment(connection: Connection) -> String {
    match connection.attachment() {
        Ok(data) if data.len() > 64 => format!("ok {} bytes", data.len()),
        Ok(data) => format!("ok {:?}", String::from_utf8_lossy(&data)),
        Err(error) => format!("error {error:?}"),
    }
}

fn connections(ids: &str) -> Option<Vec<Connection>> {
    ids.split(',').map(|id| id.parse().ok().map(Connection::from_id)).collect()
}

fn shown(info: &Info) -> String {
    format!(
        "subprotocol={} open={} buffered={} in={} out={} round-trip={}",
        info.subprotocol.as_deref().unwrap_or("none"),
        info.open,
        info.buffered,
        info.messages_in,
        info.messages_out,
        info.round_trip_us.map_or("none", |_| "some"),
    )
}

fn args(request: &Request) -> String {
    let shown = |text: &Option<String>, none: &str| text.clone().unwrap_or_else(|| none.to_owned());
    let args = request.args.iter().map(|arg| format!("{}={}", shown(&arg.name, "_"), shown(&arg.value, "none")));
    format!("[{}]", args.collect::<Vec<_>>().join(","))
}

fn names(request: &Request) -> String {
    request.headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(",")
}

/// `CloseCause::PingTimeout` as `ping-timeout`.
fn kebab(variant: &str) -> String {
    let name = variant.rsplit("::").next().unwrap_or(variant);
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

/// Needs as much stack as its argument is large; written so that no compiler makes a loop of it.
fn recurse(depth: u64) -> u64 {
    if depth == 0 {
        return 0;
    }
    let frame = std::hint::black_box([depth; 64]);
    recurse(depth - 1) + frame.iter().sum::<u64>()
}

export!(Probe);
