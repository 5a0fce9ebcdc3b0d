//! Decides on the handshake as the query string says, echoes, and answers "inspect" with the subprotocol.
//!
//! Keys: `subprotocol` (a name, `first` or `last` of those offered), `header` (NAME:VALUE, may repeat), `refuse` (a
//! status, with `header`s and `body`), `origin=allow`, `max` (bytes), `interval` and `timeout` (milliseconds),
//! `upgrade=panic` or `upgrade=spin`. A header or a subprotocol that no host may pass on is passed on to the host.

use std::time::Duration;

use test_guests::query::{pairs, value};
use whimbrel_sdk::{Connection, Handler, Message, Refusal, Request, Result, export};

struct Settings;

impl Handler for Settings {
    fn open(_connection: Connection, _request: &Request) -> Result<Self> {
        Ok(Settings)
    }

    fn on_message(&mut self, connection: Connection, message: Message) -> Result {
        if message.as_text() == Some("inspect") {
            let subprotocol = connection.inspect()?.subprotocol;
            connection.send(format!("subprotocol={}", subprotocol.as_deref().unwrap_or("none")))?;
        } else {
            connection.send(message)?;
        }
        Ok(())
    }

    fn prepare(request: &Request) -> Result<(), Refusal> {
        println!("event prepare path={}", request.path);
        match value(request.query.as_deref(), "upgrade").as_deref() {
            Some("panic") => panic!("upgrade panicked on purpose"),
            Some("spin") => loop {
                std::hint::spin_loop();
            },
            _ => {}
        }
        let Some(status) = number(request, "refuse") else { return Ok(()) };
        let body = value(request.query.as_deref(), "body").unwrap_or_default();
        Err(Refusal { status, headers: headers(request), body: body.into_bytes() })
    }

    fn check_origin(origin: &str, request: &Request) -> bool {
        println!("event check-origin origin={origin}");
        value(request.query.as_deref(), "origin").as_deref() == Some("allow")
    }

    fn select_subprotocol(offered: &[String], request: &Request) -> Option<String> {
        println!("event select-subprotocol offered=[{}]", offered.join(","));
        match value(request.query.as_deref(), "subprotocol")?.as_str() {
            "first" => offered.first().cloned(),
            "last" => offered.last().cloned(),
            name => Some(name.to_owned()),
        }
    }

    fn response_headers(request: &Request) -> Vec<(String, Vec<u8>)> {
        headers(request)
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

fn number<T: std::str::FromStr>(request: &Request, key: &str) -> Option<T> {
    value(request.query.as_deref(), key)?.parse().ok()
}

fn headers(request: &Request) -> Vec<(String, Vec<u8>)> {
    let pairs = pairs(request.query.as_deref()).into_iter().filter(|(key, _)| key == "header");
    pairs.filter_map(|(_, text)| text.split_once(':').map(|(name, value)| (name.to_owned(), value.into()))).collect()
}

export!(Settings);
