//! What to send: lines of stdin, and on a terminal the commands among them.

use std::io::{self, BufRead, IsTerminal};

use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Bytes, Message, Utf8Bytes};

/// What one line of stdin asks for.
#[derive(Debug, PartialEq)]
pub(super) enum Input {
    /// Send this message or ping.
    Send(Message),
    /// Close the connection.
    Close(Option<CloseFrame>),
    /// Tell the user something; nothing is sent.
    Note(String),
}

/// Lines read ahead of the connection.
const READ_AHEAD: usize = 16;

/// Said to a person before the first line.
pub(super) const GREETING: &str = "each line is a message; /help lists the commands, ctrl-D ends";

const COMMANDS: &str = "\
/ping [DATA]            send a ping
/close [CODE [REASON]]  close the connection
//text                  send a line that starts with a slash
ctrl-D                  close the connection after the replies";

/// Whether a person types, so that lines may be commands.
pub(super) fn is_interactive() -> bool {
    io::stdin().is_terminal()
}

/// Read stdin on a thread of its own: a blocked read of a terminal cannot be cancelled, and must not keep the process
/// alive. The channel ends with stdin; a line that cannot be sent is its last item.
pub(super) fn read(binary: bool) -> mpsc::Receiver<anyhow::Result<Input>> {
    let (lines, receiver) = mpsc::channel(READ_AHEAD);
    let is_interactive = is_interactive();
    std::thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        for number in 1u64.. {
            let mut line = Vec::new();
            let input = match stdin.read_until(b'\n', &mut line) {
                Ok(0) => return,
                Ok(_) => parse(line, number, binary, is_interactive),
                Err(error) => Err(anyhow::Error::from(error).context("failed to read stdin")),
            };
            let is_last = input.is_err();
            if lines.blocking_send(input).is_err() || is_last {
                return;
            }
        }
    });
    receiver
}

fn parse(mut line: Vec<u8>, number: u64, binary: bool, is_interactive: bool) -> anyhow::Result<Input> {
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    if is_interactive && line.first() == Some(&b'/') {
        line.remove(0);
        if line.first() != Some(&b'/') {
            return Ok(command(&String::from_utf8_lossy(&line)));
        }
    }
    if binary {
        return Ok(Input::Send(Message::Binary(line.into())));
    }
    match String::from_utf8(line) {
        Ok(text) => Ok(Input::Send(Message::text(text))),
        Err(_) => anyhow::bail!("line {number} of stdin is not valid UTF-8; --binary sends any bytes"),
    }
}

/// A command without its slash.
fn command(line: &str) -> Input {
    let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
    match name {
        // At most 125 bytes (RFC 6455 section 5.5).
        "ping" if rest.len() > 125 => Input::Note(format!("a ping carries 125 bytes at most, not {}", rest.len())),
        "ping" => Input::Send(Message::Ping(Bytes::from(rest.to_owned()))),
        "close" => close(rest),
        "help" => Input::Note(COMMANDS.to_owned()),
        _ => Input::Note(format!("unknown command /{name}; start a message with // to send one slash\n{COMMANDS}")),
    }
}

fn close(arguments: &str) -> Input {
    if arguments.is_empty() {
        return Input::Close(None);
    }
    let (code, reason) = arguments.split_once(' ').unwrap_or((arguments, ""));
    let code = match code.parse() {
        Ok(code @ (1000..=1003 | 1007..=1014 | 3000..=4999)) => CloseCode::from(code),
        _ => return Input::Note(format!("close code {code:?}: allowed are 1000 to 1003, 1007 to 1014, 3000 to 4999")),
    };
    if reason.len() > 123 {
        return Input::Note(format!("a close reason has 123 bytes at most, not {}", reason.len()));
    }
    Input::Close(Some(CloseFrame { code, reason: Utf8Bytes::from(reason.to_owned()) }))
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::tungstenite::Message;

    use super::{Input, parse};

    fn typed(line: &str) -> Input {
        parse(line.as_bytes().to_vec(), 1, false, true).unwrap()
    }

    #[test]
    fn a_script_has_no_commands() {
        let input = parse(b"/close\n".to_vec(), 1, false, false).unwrap();
        assert_eq!(input, Input::Send(Message::text("/close")));
    }

    #[test]
    fn two_slashes_send_one() {
        assert_eq!(typed("//a\n"), Input::Send(Message::text("/a")));
    }

    #[test]
    fn close_takes_a_code_and_a_reason() {
        let Input::Close(Some(frame)) = typed("/close 3001 good bye\n") else { panic!() };
        assert_eq!((u16::from(frame.code), frame.reason.as_str()), (3001, "good bye"));
        assert!(matches!(typed("/close 1014\n"), Input::Close(Some(_))));
        assert_eq!(typed("/close\n"), Input::Close(None));
        assert!(matches!(typed("/close 1005\n"), Input::Note(_)));
        assert!(matches!(typed("/close 1006\n"), Input::Note(_)));
        assert!(matches!(typed("/close 2999\n"), Input::Note(_)));
    }

    #[test]
    fn bytes_that_are_not_text_need_binary() {
        let error = parse(b"\xff\n".to_vec(), 7, false, false).unwrap_err();
        assert!(error.to_string().contains("line 7"));
        let input = parse(b"\xff".to_vec(), 7, true, false).unwrap();
        assert_eq!(input, Input::Send(Message::binary(vec![0xff])));
    }
}
