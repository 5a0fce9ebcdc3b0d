//! What pages and guest say to each other: JSON objects in text messages, told apart by `type`.

use serde::{Deserialize, Serialize};

/// In characters, for people and for rooms: with 4 bytes each and a prefix, a room still fits into a topic's name.
pub(crate) const MAX_NAME: usize = 40;
/// In characters.
pub(crate) const MAX_TEXT: usize = 2000;

/// What a page asks for.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Ask {
    /// Enter the room under a name; the first message.
    Join { name: String },
    /// Write to everybody in the room.
    Say { text: String },
    /// Tell a newcomer that one is here.
    Here { to: u32 },
}

impl Ask {
    /// The `type` of this message.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Ask::Join { .. } => "join",
            Ask::Say { .. } => "say",
            Ask::Here { .. } => "here",
        }
    }
}

/// What pages are told. The guest fills in `id` and `name`, so nobody speaks for another.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Tell<'a> {
    /// To the newcomer alone: who it is now.
    Welcome {
        id: u32,
        name: &'a str,
        room: &'a str,
        /// How many messages the room remembers; none when nobody does. Who is here and what was said follow.
        #[serde(skip_serializing_if = "Option::is_none")]
        keeps: Option<usize>,
    },
    /// Somebody entered; every page that reads this answers with [`Ask::Here`], unless the room keeps the list.
    Join { id: u32, name: &'a str },
    /// Somebody is here: the answer to a join, and a sign of life.
    Here { id: u32, name: &'a str },
    /// Somebody wrote.
    Say {
        id: u32,
        name: &'a str,
        text: &'a str,
        /// When, where the room remembers it: milliseconds since 1970, and no two the same.
        #[serde(skip_serializing_if = "Option::is_none")]
        at: Option<u64>,
    },
    /// Somebody left.
    Leave { id: u32, name: &'a str },
    /// To one page: why nothing was done about its last message, of the kind `about` when that much was understood.
    Error {
        #[serde(skip_serializing_if = "Option::is_none")]
        about: Option<&'static str>,
        text: &'a str,
    },
}

impl Tell<'_> {
    /// The message as it is sent.
    pub(crate) fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

/// A name without control characters and outer spaces, of 1 to [`MAX_NAME`] characters.
pub(crate) fn name(what: &str, written: &str) -> Result<String, String> {
    let name: String = written.chars().filter(|character| !character.is_control()).collect();
    of_length(what, name.trim(), MAX_NAME)
}

/// A text without outer spaces and control characters other than line breaks and tabs, of 1 to [`MAX_TEXT`]
/// characters.
pub(crate) fn text(written: &str) -> Result<String, String> {
    let is_kept = |character: &char| !character.is_control() || matches!(character, '\n' | '\t');
    let text: String = written.chars().filter(is_kept).collect();
    of_length("text", text.trim(), MAX_TEXT)
}

fn of_length(what: &str, value: &str, most: usize) -> Result<String, String> {
    match value.chars().count() {
        length if length == 0 || length > most => Err(format!("a {what} has 1 to {most} characters, not {length}")),
        _ => Ok(value.to_owned()),
    }
}
