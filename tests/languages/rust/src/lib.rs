//! The guest of all languages in Rust; tests/languages/README.md says what it does.

use whimbrel_sdk::{CloseInfo, Connection, Error, Handler, Message, Refusal, Request, Result, export, publish};

struct Case {
    request: Request,
    messages: u32,
}

impl Handler for Case {
    fn open(_connection: Connection, request: &Request) -> Result<Self> {
        match fails(request, "open") {
            true => Err("failed in open".into()),
            false => Ok(Case { request: request.clone(), messages: 0 }),
        }
    }

    fn on_message(&mut self, connection: Connection, message: Message) -> Result {
        self.messages += 1;
        let Some(command) = message.as_text().and_then(|text| text.strip_prefix('!')) else {
            connection.send(message)?;
            return Ok(());
        };
        let (name, rest) = command.split_once(' ').unwrap_or((command, ""));
        let answer = match name {
            "fail" => return Err(rest.into()),
            _ => self.run(connection, name, rest).unwrap_or_else(|error| Some(refused(&error))),
        };
        if let Some(answer) = answer {
            connection.send(answer)?;
        }
        Ok(())
    }

    fn on_close(self, _connection: Connection, info: CloseInfo) {
        assert!(!fails(&self.request, "close"), "failed in close");
        let code = info.code.map_or("-".to_owned(), |code| code.to_string());
        let cause = kebab(&format!("{:?}", info.cause));
        println!("closed code={code} reason={} cause={cause}", info.reason.as_deref().unwrap_or("-"));
    }

    fn on_ping(&mut self, connection: Connection, data: &[u8]) {
        assert!(!fails(&self.request, "ping"), "failed in ping");
        let _ = connection.send(format!("ping {}", String::from_utf8_lossy(data)));
    }

    fn on_pong(&mut self, connection: Connection, data: &[u8]) {
        assert!(!fails(&self.request, "pong"), "failed in pong");
        if !data.is_empty() {
            let _ = connection.send(format!("pong {}", String::from_utf8_lossy(data)));
        }
    }

    fn prepare(request: &Request) -> Result<(), Refusal> {
        assert!(!fails(request, "upgrade"), "failed in upgrade");
        match query(request).strip_prefix("refuse=").and_then(|status| status.parse().ok()) {
            Some(status) => Err(Refusal::new(status).header("x-refused", "yes").body("refused")),
            None => Ok(()),
        }
    }

    fn select_subprotocol(offered: &[String], _request: &Request) -> Option<String> {
        offered.iter().find(|name| *name == "case.v2").cloned()
    }

    fn response_headers(_request: &Request) -> Vec<(String, Vec<u8>)> {
        vec![("x-case".to_owned(), b"yes".to_vec())]
    }
}

impl Case {
    /// The answer to a command, if it has one.
    fn run(&self, connection: Connection, name: &str, rest: &str) -> Result<Option<String>, Error> {
        let (first, text) = rest.split_once(' ').unwrap_or((rest, ""));
        let done = "ok".to_owned();
        Ok(Some(match name {
            "args" => {
                let shown = |value: &Option<String>, none: &str| value.clone().unwrap_or_else(|| none.to_owned());
                let args = self.request.args.iter().map(|arg| format!("{}={}", shown(&arg.name, "_"), shown(&arg.value, "-")));
                args.collect::<Vec<_>>().join(",")
            }
            "query" => self.request.query.clone().unwrap_or("-".to_owned()),
            "header" => self.request.header(rest).unwrap_or("-").to_owned(),
            "request" => format!(
                "path={} host={} origin={} subprotocols={} secure={}",
                self.request.path,
                self.request.host,
                self.request.origin.as_deref().unwrap_or("-"),
                self.request.subprotocols.join(","),
                self.request.secure,
            ),
            "subprotocol" => connection.inspect()?.subprotocol.unwrap_or("-".to_owned()),
            "count" => self.messages.to_string(),
            "close" => {
                connection.close(first.parse().ok(), text)?;
                return Ok(None);
            }
            "ping" => {
                connection.ping(rest.as_bytes())?;
                return Ok(None);
            }
            "subscribe" => connection.subscribe(rest).map(|()| done)?,
            "unsubscribe" => connection.unsubscribe(rest).map(|()| done)?,
            "publish" => format!("ok {}", publish(first, text, &[])?),
            "publish-others" => format!("ok {}", publish(first, text, &[connection])?),
            "attach" => connection.attach(rest.as_bytes()).map(|()| done)?,
            "attachment" => String::from_utf8_lossy(&connection.attachment()?).into_owned(),
            "print" => {
                println!("{rest}");
                done
            }
            "eprint" => {
                eprintln!("{rest}");
                done
            }
            _ => format!("unknown command {name:?}"),
        }))
    }
}

fn refused(error: &Error) -> String {
    let variant = format!("{error:?}");
    let variant = variant.split('(').next().unwrap_or(&variant);
    format!("error {}", kebab(variant))
}

fn query(request: &Request) -> &str {
    request.query.as_deref().unwrap_or_default()
}

fn fails(request: &Request, function: &str) -> bool {
    query(request).strip_prefix("fail=") == Some(function)
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

export!(Case);
