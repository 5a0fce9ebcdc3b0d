//! Why a call was refused, and how a handler fails.

use std::fmt;

use crate::bindings::whimbrel::websocket::types;

/// What handler functions return: nothing unless said otherwise, or the [`Failure`] that closes the connection.
pub type Result<T = (), E = Failure> = std::result::Result<T, E>;

/// Why the host refused a call. Nothing was queued or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The connection is closing or closed.
    Closed,
    /// No such connection belongs to this instance.
    UnknownConnection,
    /// The message is over the limit, given in bytes.
    TooLarge(u32),
    /// The outbound buffer is full; the bytes that already wait.
    BufferFull(u32),
    /// A bad argument: which, and what is allowed.
    Invalid(String),
    /// A limit of the deployment or a missing grant: which.
    Denied(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the connection is closed"),
            Self::UnknownConnection => f.write_str("no such connection"),
            Self::TooLarge(limit) => write!(f, "the message is over the limit of {limit} bytes"),
            Self::BufferFull(waiting) => write!(f, "the outbound buffer is full: {waiting} bytes wait for the peer"),
            Self::Invalid(what) => write!(f, "invalid argument: {what}"),
            Self::Denied(what) => write!(f, "denied: {what}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<types::Error> for Error {
    fn from(error: types::Error) -> Self {
        match error {
            types::Error::Closed => Self::Closed,
            types::Error::UnknownConnection => Self::UnknownConnection,
            types::Error::TooLarge(limit) => Self::TooLarge(limit),
            types::Error::BufferFull(waiting) => Self::BufferFull(waiting),
            types::Error::Invalid(what) => Self::Invalid(what),
            types::Error::Denied(what) => Self::Denied(what),
        }
    }
}

/// Why a handler function failed: a text for the host's log. Whatever can be displayed becomes one through `?` or
/// `into`.
//
// It is not `Display` itself, for then every `Failure` would have two conversions from itself.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure(String);

impl Failure {
    /// A failure with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text for the log.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    pub(crate) fn into_text(self) -> String {
        self.0
    }
}

impl<E: fmt::Display> From<E> for Failure {
    fn from(error: E) -> Self {
        // The alternate form has the causes too where an error type tells them, as anyhow's does.
        Self(format!("{error:#}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_texts_and_boxed_errors_become_failures() {
        fn number(text: &str) -> Result<u8> {
            if text.is_empty() {
                return Err("no number".into());
            }
            Ok(text.parse()?)
        }
        fn boxed() -> Result {
            Err(Box::<dyn std::error::Error>::from("boxed"))?
        }
        assert_eq!(number("7"), Ok(7));
        assert_eq!(number("").unwrap_err().text(), "no number");
        assert_eq!(number("x").unwrap_err().text(), "invalid digit found in string");
        assert_eq!(boxed().unwrap_err().text(), "boxed");
    }

    #[test]
    fn errors_name_the_number_that_was_passed() {
        assert_eq!(Error::from(types::Error::TooLarge(4)).to_string(), "the message is over the limit of 4 bytes");
    }
}
