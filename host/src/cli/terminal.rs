//! What is written to stdout and stderr, in colour on a terminal. Nothing here panics when the reader has gone.

use std::io::{self, IsTerminal, Write};

use crate::cli::exit::StdoutClosed;
use crate::cli::stderr;

/// A result, as one line on stdout, visible at once.
pub(crate) fn result(line: &str) -> anyhow::Result<()> {
    bytes(format!("{line}\n").as_bytes())
}

/// Raw bytes on stdout, visible at once.
pub(crate) fn bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(StdoutClosed.into()),
        written => Ok(written?),
    }
}

/// Text from somewhere else, for a person: line breaks and tabs stay, other control characters could steer the terminal.
pub(crate) fn printable(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => clean.push(character),
            control if control.is_control() => clean.extend(control.escape_default()),
            other => clean.push(other),
        }
    }
    clean
}

/// What a person wants to know and a script does not: one line on stderr.
pub(crate) fn note(line: &str) {
    stderr::flush();
    let _ = writeln!(io::stderr(), "{line}");
}

/// One `error: ...` line on stderr.
pub(crate) fn error(text: &str) {
    note(&format!("{} {text}", paint(Colour::Red, "error:", stderr_has_colours())));
}

/// The few colours in use.
#[derive(Clone, Copy)]
pub(crate) enum Colour {
    /// Errors.
    Red,
    /// Received messages in an interactive session.
    Cyan,
}

/// `text` in colour when `colours`, else as it is.
pub(crate) fn paint(colour: Colour, text: &str, colours: bool) -> String {
    let code = match colour {
        Colour::Red => "1;31",
        Colour::Cyan => "36",
    };
    if colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// Whether stderr is a terminal that wants colours (<https://no-color.org>).
pub(crate) fn stderr_has_colours() -> bool {
    io::stderr().is_terminal() && wants_colours()
}

/// Whether stdout is a terminal that wants colours.
pub(crate) fn stdout_has_colours() -> bool {
    stdout_is_terminal() && wants_colours()
}

/// Whether a person reads stdout.
pub(crate) fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

fn wants_colours() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn a_terminal_is_not_steered() {
        assert_eq!(printable("a\tb\n\x1b[31mc\r\x07 grüße"), "a\tb\n\\u{1b}[31mc\\r\\u{7} grüße");
    }
}
