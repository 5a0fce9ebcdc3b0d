//! What pages and guest say to each other: JSON objects in text messages, told apart by `type`.

use serde::{Deserialize, Serialize};

use crate::flat::{Bird, Seat, Step, Tide, View, Way};

/// In characters.
const MAX_NAME: usize = 16;

/// What a page asks for.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Ask {
    /// Play, and not only watch.
    Join { name: String },
    /// One cell in a direction.
    Step { to: Way },
}

/// What pages are told.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Tell<'a> {
    /// To a newcomer, first of all: everything. What follows are changes of it.
    Flat(View<'a>),
    /// A bird came; its prints are in its cell.
    Come(&'a Bird),
    /// To one page: that bird is yours.
    You {
        seat: Seat,
    },
    Step(Step),
    /// To one page: its step was not made.
    Stay,
    Tide(Tide),
    /// A bird left, and its prints are gone.
    Gone {
        seat: Seat,
    },
    /// To one page, at each answered keep-alive ping: the connection lives.
    Alive,
    /// To one page: why nothing was done about its last message.
    Error {
        text: &'a str,
    },
}

impl Tell<'_> {
    /// The message as it is sent.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("all of it is plain data")
    }
}

/// A name without control characters and outer spaces, of 1 to [`MAX_NAME`] characters.
pub(crate) fn name(written: &str) -> Result<String, String> {
    let name: String = written.chars().filter(|character| !character.is_control()).collect();
    let name = name.trim();
    match name.chars().count() {
        1..=MAX_NAME => Ok(name.to_owned()),
        length => Err(format!("a name has 1 to {MAX_NAME} characters, not {length}")),
    }
}
