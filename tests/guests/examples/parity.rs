//! Does what the handler of tests/parity/tornado_server.py does, command by command, so that the two can be compared.
//!
//! A text message that starts with `!` holds commands, separated by `|`; other messages are reported and echoed. The
//! query steers the handshake. Events go to the topic that `tag` names, whose subscribers are connections to
//! `/observe`.

use std::time::{Duration, Instant};
use std::{env, thread};

use test_guests::query;
use whimbrel_sdk::{CloseInfo, Connection, Error, Handler, Message, Refusal, Request, Result, Resume, export, publish};

struct Parity {
    request: Request,
}

impl Handler for Parity {
    fn open(connection: Connection, request: &Request) -> Result<Self> {
        let handler = Parity { request: request.clone() };
        if let Err(error) = connection.attach(&kept(request)) {
            println!("the request is not kept: {error}");
        }
        if is_observer(request) {
            connection.subscribe(&steer(request, "tag"))?;
            connection.send("watching")?;
            return Ok(handler);
        }
        handler.event(&args(request).fold("open".to_owned(), |text, arg| text + " " + &arg));
        handler.run(connection, &steer(request, "open"))?;
        Ok(handler)
    }

    fn on_message(&mut self, connection: Connection, message: Message) -> Result {
        if let Some(script) = message.as_text().and_then(|text| text.strip_prefix('!')) {
            return self.run(connection, script);
        }
        self.event(&format!("on_message {}", describe(&message)));
        if steer(&self.request, "quiet").is_empty() {
            connection.send(message)?;
        }
        Ok(())
    }

    fn on_close(self, _connection: Connection, info: CloseInfo) {
        let code = info.code.map(|code| code.to_string());
        // A close frame with a code has a reason here, if an empty one; Tornado knows no empty reason.
        let is_exact = !steer(&self.request, "exact").is_empty();
        let reason = info.reason.filter(|reason| is_exact || !reason.is_empty());
        self.event(&format!("on_close {} {}", show(code.as_deref()), show(reason.as_deref())));
    }

    fn on_ping(&mut self, _connection: Connection, data: &[u8]) {
        self.event(&format!("on_ping {}", String::from_utf8_lossy(data)));
        assert!(steer(&self.request, "fail") != "ping", "as told");
    }

    fn on_pong(&mut self, _connection: Connection, data: &[u8]) {
        self.event(&format!("on_pong {}", String::from_utf8_lossy(data)));
        assert!(steer(&self.request, "fail") != "pong", "as told");
    }

    fn prepare(request: &Request) -> Result<(), Refusal> {
        event(request, "prepare");
        assert!(steer(request, "fail") != "prepare", "as told");
        match number(request, "refuse") {
            None => Ok(()),
            Some(302) => Err(Refusal::new(302).header("Location", "/elsewhere").header("X-Parity", "yes")),
            Some(status) => Err(Refusal::new(status).header("X-Parity", "yes")),
        }
    }

    fn check_origin(origin: &str, request: &Request) -> bool {
        event(request, &format!("check_origin {origin}"));
        is_observer(request) || steer(request, "origin") == "allow"
    }

    fn select_subprotocol(offered: &[String], request: &Request) -> Option<String> {
        event(request, &format!("select_subprotocol {}", offered.join(",")));
        Some(steer(request, "subprotocol")).filter(|chosen| !chosen.is_empty())
    }

    fn response_headers(request: &Request) -> Vec<(String, Vec<u8>)> {
        let cookie = steer(request, "cookie");
        let cookie =
            (!cookie.is_empty()).then(|| ("Set-Cookie".to_owned(), format!("session={cookie}; Path=/").into()));
        [("X-Parity".to_owned(), "yes".into())].into_iter().chain(cookie).collect()
    }

    fn max_message_size(request: &Request) -> Option<u32> {
        number(request, "max")
    }

    fn ping_interval(request: &Request) -> Option<Duration> {
        number(request, "interval").map(Duration::from_millis)
    }

    fn ping_timeout(request: &Request) -> Option<Duration> {
        number(request, "timeout").map(Duration::from_millis)
    }
}

impl Resume for Parity {
    fn resume(connection: Connection) -> Result<Self> {
        Ok(Parity { request: found(&String::from_utf8(connection.attachment()?)?) })
    }
}

impl Parity {
    fn run(&self, connection: Connection, script: &str) -> Result {
        for command in script.split('|').filter(|command| !command.is_empty()) {
            let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
            if verb == "fail" {
                return Err("as told".into());
            }
            let outcome = match self.run_one(connection, verb, rest) {
                Ok(()) => "ok".to_owned(),
                Err(Error::Closed) => "closed".to_owned(),
                Err(Error::Invalid(_)) => "invalid".to_owned(),
                Err(Error::BufferFull(_)) => "buffer-full".to_owned(),
                Err(other) => format!("{other:?}"),
            };
            if verb != "spin" {
                self.event(&format!("{verb} {outcome}"));
            }
        }
        Ok(())
    }

    fn run_one(&self, connection: Connection, verb: &str, rest: &str) -> Result<(), Error> {
        let (first, second) = rest.split_once(' ').unwrap_or((rest, ""));
        let milliseconds = || Duration::from_millis(first.parse().unwrap_or(0));
        let send = |text: &str| connection.send(text).map(drop);
        match verb {
            "send" => send(&filled(rest)),
            "bytes" => connection.send(filled(rest).into_bytes()).map(drop),
            "ping" => connection.ping(filled(rest).as_bytes()),
            "close" => close(connection, first, second),
            "nodelay" => connection.set_nodelay(first == "on"),
            "wait" => {
                thread::sleep(milliseconds());
                Ok(())
            }
            "spin" => {
                let until = Instant::now() + milliseconds();
                while Instant::now() < until {}
                Ok(())
            }
            // Nothing waits for the peer.
            "flood" => messages(first, second).try_for_each(|message| send(&message)),
            // Each message waits for the peer.
            "stream" => messages(first, second).try_for_each(|message| {
                send(&message)?;
                connection.drained(0)
            }),
            "request" => send(&describe_request(&self.request)),
            "subprotocol" => send(&show(connection.inspect()?.subprotocol.as_deref())),
            "greeting" => send(&env::var("GREETING").unwrap_or_default()),
            _ => Err(Error::Denied(format!("unknown command {verb}"))),
        }
    }

    fn event(&self, text: &str) {
        if !is_observer(&self.request) {
            event(&self.request, text);
        }
    }
}

fn event(request: &Request, text: &str) {
    if !is_observer(request)
        && let Err(error) = publish(&steer(request, "tag"), text, &[])
    {
        println!("event {text} was not published: {error}");
    }
}

fn close(connection: Connection, code: &str, reason: &str) -> Result<(), Error> {
    let reason = if reason == "-" { String::new() } else { filled(reason) };
    match code {
        "-" => connection.close(None, &reason),
        code => {
            let code = code.parse().map_err(|_| Error::Invalid(format!("code {code:?} is no 16-bit number")))?;
            connection.close(Some(code), &reason)
        }
    }
}

fn messages(count: &str, size: &str) -> impl Iterator<Item = String> {
    let message = "x".repeat(size.parse().unwrap_or(0));
    std::iter::repeat_n(message, count.parse().unwrap_or(0))
}

fn describe_request(request: &Request) -> String {
    let header = |name: &str| show(request.header(name));
    let tests = request.headers.iter().filter(|(name, _)| name == "x-test");
    let tests: Vec<_> = tests.map(|(_, value)| String::from_utf8_lossy(value)).collect();
    [
        format!("path {}", request.path),
        format!("query {}", request.query.as_deref().unwrap_or_default()),
        format!("host {}", request.host),
        format!("origin {}", show(request.origin.as_deref())),
        format!("x-test {}", tests.join(",")),
        format!("cookie {}", header("cookie")),
        format!("peer {}", request.peer.rsplit_once(':').map_or("", |(address, _)| address)),
        format!("secure {}", request.secure),
    ]
    .join("\n")
}

fn args(request: &Request) -> impl Iterator<Item = String> {
    request.args.iter().map(|arg| {
        let value = show(arg.value.as_deref());
        arg.name.as_ref().map_or(value.clone(), |name| format!("{name}={value}"))
    })
}

fn describe(message: &Message) -> String {
    let kind = if message.as_text().is_some() { "text" } else { "binary" };
    match message.as_bytes() {
        data if data.len() <= 32 => data.iter().fold(format!("{kind} "), |text, byte| text + &format!("{byte:02x}")),
        data => format!("{kind} of {}", data.len()),
    }
}

/// What the client asks of the handler, in the query.
fn steer(request: &Request, name: &str) -> String {
    query::value(request.query.as_deref(), name).unwrap_or_default()
}

fn number<T: std::str::FromStr>(request: &Request, name: &str) -> Option<T> {
    steer(request, name).parse().ok()
}

fn is_observer(request: &Request) -> bool {
    request.path == "/observe"
}

/// `fill:N` stands for N times `x`.
fn filled(text: &str) -> String {
    match text.strip_prefix("fill:").and_then(|size| size.parse().ok()) {
        Some(size) => "x".repeat(size),
        None => text.to_owned(),
    }
}

/// Percent-encoded but for letters, digits and `-._~`.
fn show(text: Option<&str>) -> String {
    let Some(text) = text else { return "none".to_owned() };
    text.bytes().fold(String::new(), |shown, byte| match byte {
        b'-' | b'.' | b'_' | b'~' => shown + char::from(byte).encode_utf8(&mut [0; 4]),
        byte if byte.is_ascii_alphanumeric() => shown + char::from(byte).encode_utf8(&mut [0; 4]),
        byte => shown + &format!("%{byte:02X}"),
    })
}

/// All of a request that matters after `open`, as a query string.
fn kept(request: &Request) -> Vec<u8> {
    let fields = [
        ("path", Some(&request.path)),
        ("query", request.query.as_ref()),
        ("host", Some(&request.host)),
        ("origin", request.origin.as_ref()),
        ("peer", Some(&request.peer)),
        ("secure", request.secure.then_some(&request.host)),
    ];
    let fields = fields.into_iter().filter_map(|(name, value)| Some((name, value?.clone())));
    let headers = request.headers.iter().filter(|(name, _)| name == "x-test" || name == "cookie");
    let headers = headers.map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value).into_owned()));
    let pairs = fields.chain(headers).map(|(name, value)| format!("{name}={}", show(Some(&value))));
    pairs.collect::<Vec<_>>().join("&").into_bytes()
}

fn found(kept: &str) -> Request {
    let field = |name: &str| query::value(Some(kept), name);
    let headers = query::pairs(Some(kept)).into_iter().filter(|(name, _)| name == "x-test" || name == "cookie");
    Request {
        path: field("path").unwrap_or_default(),
        query: field("query"),
        args: Vec::new(),
        headers: headers.map(|(name, value)| (name, value.into_bytes())).collect(),
        host: field("host").unwrap_or_default(),
        origin: field("origin"),
        subprotocols: Vec::new(),
        peer: field("peer").unwrap_or_default(),
        secure: field("secure").is_some(),
    }
}

export!(Parity: Resume);
