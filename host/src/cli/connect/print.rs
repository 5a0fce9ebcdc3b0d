//! How messages and events look: messages on stdout, everything else on stderr.

use std::fmt::Write;

use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::input;
use crate::cli::terminal::{self, Colour};

/// Prints what is received.
pub(super) struct Printer {
    raw: bool,
    quiet: bool,
    colours: bool,
    is_terminal: bool,
}

impl Printer {
    /// `raw`: binary messages as they are; `quiet`: no notes.
    pub(super) fn new(raw: bool, quiet: bool) -> Self {
        // What is typed and what is received stand among each other on a terminal only.
        let colours = input::is_interactive() && terminal::stdout_has_colours();
        Self { raw, quiet, colours, is_terminal: terminal::stdout_is_terminal() }
    }

    /// Print a message; a control frame is a note. Fails when stdout does.
    pub(super) fn message(&self, message: &Message) -> anyhow::Result<()> {
        match message {
            Message::Text(text) if self.is_terminal => {
                terminal::result(&terminal::paint(Colour::Cyan, &terminal::printable(text), self.colours))
            }
            Message::Text(text) => terminal::result(text),
            Message::Binary(bytes) if self.raw => terminal::bytes(bytes),
            Message::Binary(bytes) => terminal::result(&hex(bytes)),
            Message::Ping(data) => {
                self.note(&format!("ping: {}", data.escape_ascii()));
                Ok(())
            }
            Message::Pong(data) => {
                self.note(&format!("pong: {}", data.escape_ascii()));
                Ok(())
            }
            Message::Close(_) | Message::Frame(_) => Ok(()),
        }
    }

    /// Say that a close frame came; `answered`: it answers ours.
    pub(super) fn close(&self, frame: Option<&CloseFrame>, answered: bool) {
        let who = if answered { "closed" } else { "closed by the peer" };
        self.note(&match frame {
            Some(frame) if frame.reason.is_empty() => format!("{who}: {}", u16::from(frame.code)),
            Some(frame) => format!("{who}: {} {}", u16::from(frame.code), frame.reason.escape_debug()),
            None => format!("{who}: no code"),
        });
    }

    /// A line on stderr, unless the user wants none.
    pub(super) fn note(&self, line: &str) {
        if !self.quiet {
            terminal::note(line);
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("0x");
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::hex;

    #[test]
    fn hex_has_two_digits_a_byte() {
        assert_eq!(hex(&[0, 0x0f, 0xff]), "0x000fff");
        assert_eq!(hex(&[]), "0x");
    }
}
