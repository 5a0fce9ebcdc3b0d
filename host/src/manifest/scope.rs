//! `scope`: whom an instance of the guest serves, and how a room's key is made.

use std::fmt;

use super::reader::{Item, Report};
use super::value;
use crate::routing::{Args, Pattern};

/// Longest key of a room, in bytes.
const KEY_BYTES: usize = 256;
/// The most shared instances of a deployment.
const MOST_SHARED: u64 = 10_000;

/// Whom an instance serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// One connection.
    #[default]
    Connection,
    /// All connections whose args make the same key.
    Room(RoomKey),
    /// Some of all connections: those of one of so many instances.
    Shared(u32),
    /// One event.
    Event,
}

impl Scope {
    /// The contract's word.
    pub fn name(&self) -> &'static str {
        match self {
            Scope::Connection => "connection",
            Scope::Room(_) => "room",
            Scope::Shared(_) => "shared",
            Scope::Event => "event",
        }
    }
}

/// As people write it in a manifest, without the outer quotes and braces.
impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Connection | Scope::Event => formatter.write_str(self.name()),
            Scope::Room(key) => write!(formatter, "room = {:?}", key.text),
            Scope::Shared(count) => write!(formatter, "shared = {count}"),
        }
    }
}

/// How a room's key is made from a route's args: text with `{name}` for the arg of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomKey {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Arg(String),
}

/// Why a request's args make no key: it is answered with 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// Too long.
    #[error("the room's key has {0} bytes; at most {KEY_BYTES} are allowed")]
    Long(usize),
    /// A control character.
    #[error("the room's key {0:?} has a control character; none is allowed")]
    Control(String),
}

impl RoomKey {
    fn parse(text: &str) -> Result<RoomKey, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((literal, from_name)) = rest.split_once('{') {
            let unclosed = || "has a { without its }; write it as in \"{room}\"".to_owned();
            let (name, after) = from_name.split_once('}').ok_or_else(unclosed)?;
            parts.push(Part::Literal(literal.to_owned()));
            parts.push(Part::Arg(name.to_owned()));
            rest = after;
        }
        parts.push(Part::Literal(rest.to_owned()));
        let is_stray = |part: &Part| matches!(part, Part::Literal(text) if text.contains('}'));
        if parts.iter().any(is_stray) {
            return Err("has a } without its {; write it as in \"{room}\"".to_owned());
        }
        parts.retain(|part| !matches!(part, Part::Literal(text) if text.is_empty()));
        Ok(RoomKey { text: text.to_owned(), parts })
    }

    fn args(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Arg(name) => Some(name.as_str()),
            Part::Literal(_) => None,
        })
    }

    /// The key for these args; a group that took no part in the match adds nothing to it.
    ///
    /// # Errors
    /// A key that is too long or has control characters.
    pub fn of(&self, args: &Args) -> Result<String, BadKey> {
        let mut key = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => key.push_str(text),
                Part::Arg(name) => {
                    let arg = args.iter().find(|arg| arg.name.as_deref() == Some(name));
                    key.push_str(arg.and_then(|arg| arg.value.as_deref()).unwrap_or_default());
                }
            }
        }
        if key.len() > KEY_BYTES {
            return Err(BadKey::Long(key.len()));
        }
        if key.chars().any(char::is_control) {
            return Err(BadKey::Control(key));
        }
        Ok(key)
    }
}

/// `scope`; none when it has problems, which are reported.
pub(super) fn read<'a>(item: &Item<'a>, routes: &[Pattern], report: &mut Report<'a>) -> Option<Scope> {
    const WORDS: [(&str, Scope); 2] = [("connection", Scope::Connection), ("event", Scope::Event)];
    let Some(mut table) = item.as_table(report) else {
        let found = WORDS.iter().find(|(word, _)| value::string(item).is_ok_and(|text| text == *word));
        if found.is_none() {
            let allowed = "write \"connection\", \"event\", { room = \"{room}\" } or { shared = 4 }";
            report.item(item, format!("{} is not a scope; {allowed}", item.shown));
        }
        return found.map(|(_, scope)| scope.clone());
    };
    match (table.get("room").is_some(), table.get("shared").is_some()) {
        (true, true) => report.item(item, "has both room and shared; keep one of them"),
        (false, false) => {
            report.item(item, "has neither room nor shared; write { room = \"{room}\" } or { shared = 4 }")
        }
        _ => {}
    }
    let room = table.read("room", report, |item| room(item, routes)).map(Scope::Room);
    let shared = table.read("shared", report, shared).map(Scope::Shared);
    table.finish(report);
    room.or(shared)
}

fn room(item: &Item<'_>, routes: &[Pattern]) -> Result<RoomKey, String> {
    let text = value::line(item)?;
    let key = RoomKey::parse(&text).map_err(|error| format!("{} {error}", item.shown))?;
    for name in key.args() {
        if let Some(route) = routes.iter().find(|route| !route.captures(name)) {
            return Err(format!(
                "{} needs the arg {name:?}, which the route {:?} does not have",
                item.shown,
                route.as_str()
            ));
        }
    }
    Ok(key)
}

fn shared(item: &Item<'_>) -> Result<u32, String> {
    let count = value::count(item)?;
    match u32::try_from(count) {
        Ok(instances) if (1..=MOST_SHARED).contains(&count) => Ok(instances),
        _ => Err(format!("{} is out of range; allowed are 1 to {MOST_SHARED} instances", item.shown)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(value: &str) -> Args {
        match Pattern::parse("/chat/{room}").unwrap().matches(&format!("/chat/{value}")) {
            Some(Ok(args)) => args,
            other => panic!("{value}: {other:?}"),
        }
    }

    #[test]
    fn keys_are_made_of_args_and_text() {
        let key = |template, value| RoomKey::parse(template).unwrap().of(&args(value));
        assert_eq!(key("{room}", "a%2Fb"), Ok("a/b".to_owned()));
        assert_eq!(key("all", "a"), Ok("all".to_owned()));
        assert_eq!(key("<{room}>{room}", "x"), Ok("<x>x".to_owned()));
        assert_eq!(key("{other}", "x"), Ok(String::new()));
    }

    #[test]
    fn keys_have_bounds() {
        let key = |value: &str| RoomKey::parse("{room}").unwrap().of(&args(value));
        assert_eq!(key(&"x".repeat(256)).map(|key| key.len()), Ok(256));
        assert_eq!(key(&"x".repeat(257)), Err(BadKey::Long(257)));
        assert_eq!(key("a%0Ab"), Err(BadKey::Control("a\nb".to_owned())));
        assert_eq!(key("%C2%85"), Err(BadKey::Control("\u{85}".to_owned())));
    }

    #[test]
    fn templates_are_checked() {
        for bad in ["{room", "room}", "{a}}", "}{a}"] {
            assert!(RoomKey::parse(bad).is_err(), "{bad}");
        }
        // No route has such an arg, which is reported.
        assert!(RoomKey::parse("{{a}").unwrap().args().eq(["{a"]));
    }
}
