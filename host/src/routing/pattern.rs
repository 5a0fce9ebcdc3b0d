//! One route's pattern: `/chat/{room}` or a full regular expression, matched against the raw path.
//!
//! As in Tornado, matching comes first and percent-decoding after: `%2F` does not separate segments, yet a capture of it
//! reads `/`. Both forms become a regular expression without backtracking, so a hostile path costs linear time. It works on
//! bytes: a raw path is ASCII, so that `\w` and its like need no Unicode tables, which would make it fifty times as large.

use std::fmt;

use percent_encoding::percent_decode;
use regex::bytes::{Regex, RegexBuilder};

/// Longest pattern or regular expression, in bytes.
const PATTERN_BYTES: usize = 1024;
/// Largest compiled regular expression, in bytes. It bounds the work per byte of a path: the worst costs a millisecond for
/// 16 KiB, a usual one needs 2 KiB.
const COMPILED_BYTES: usize = 32 * 1024;

/// A capture of a route, percent-decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arg {
    /// The group's name; none for an unnamed group.
    pub name: Option<String>,
    /// What it matched; none for a group that took no part.
    pub value: Option<String>,
}

/// The captures of a route, in the pattern's order.
pub type Args = Vec<Arg>;

/// A capture that is not UTF-8 once it is percent-decoded, or holds a NUL: the request is answered with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the path is not valid percent-encoded UTF-8")]
pub struct BadCapture;

/// Why a pattern was refused. Positions count characters from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(String);

/// One route, ready to match.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    /// The parts of a `{name}` pattern; none for a regular expression.
    parts: Option<Vec<Part>>,
    regex: Regex,
    /// The names of the groups, in order.
    names: Vec<Option<String>>,
}

/// A piece of a `{name}` pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Capture(String),
}

/// What is left of a pattern when the names of its captures do not count: two routes of the same shape match the same
/// paths. Shapes are ordered by precedence, the first to try first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Shape {
    /// A `{name}` pattern.
    Parts(Vec<Token>),
    /// A regular expression's text.
    Regex(String),
}

/// One step of a shape. At the first difference a literal goes before a capture, and both before the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Token {
    Literal(u8),
    Capture,
    End,
}

impl Pattern {
    /// Read a pattern such as `/chat/{room}`. `{name}` matches one or more characters other than `/`; it may share a
    /// segment with literal text, as in `/u-{id}.json`, and then takes as much as it can.
    pub fn parse(text: &str) -> Result<Pattern, PatternError> {
        check_length(text)?;
        if !text.starts_with('/') {
            return Err(PatternError("does not start with \"/\"".to_owned()));
        }
        let parts = parse_parts(text)?;
        let mut regex = String::from(r"\A");
        for part in &parts {
            match part {
                Part::Literal(literal) => regex.push_str(&regex::escape(literal)),
                Part::Capture(name) => regex.push_str(&format!("(?P<{name}>[^/]+)")),
            }
        }
        regex.push_str(r"\z");
        Pattern::compiled(text, &regex, Some(parts))
    }

    /// Read a full regular expression, in the syntax of the regex crate. It has to match the whole path; groups may be
    /// named (`(?P<room>…)`) or not, and all are captured in their order. `\w`, `\d`, `\s` and `(?i)` know ASCII alone.
    pub fn regex(text: &str) -> Result<Pattern, PatternError> {
        check_length(text)?;
        // Compiled by itself first: `a)|(?:b` must not pass because of the group around it, and positions stay right.
        compile(text)?;
        let anchored = format!(r"\A(?:{text})\z");
        let open_comment = |_| PatternError("cannot be anchored at its end; remove its (?x) comment".to_owned());
        compile(&anchored).map_err(open_comment)?;
        Pattern::compiled(text, &anchored, None)
    }

    fn compiled(text: &str, regex: &str, parts: Option<Vec<Part>>) -> Result<Pattern, PatternError> {
        let regex = compile(regex)?;
        let names = regex.capture_names().skip(1).map(|name| name.map(str::to_owned)).collect();
        Ok(Pattern { text: text.to_owned(), parts, regex, names })
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a capture has this name.
    pub fn captures(&self, name: &str) -> bool {
        self.names.iter().any(|known| known.as_deref() == Some(name))
    }

    /// Whether this is a regular expression.
    pub fn is_regex(&self) -> bool {
        self.parts.is_none()
    }

    /// Whether both match exactly the same paths, as far as their form shows: the same but for the names of captures,
    /// or the same regular expression.
    pub fn same_shape(&self, other: &Pattern) -> bool {
        self.shape() == other.shape()
    }

    /// Match a raw path, without its query. None when it does not match as a whole.
    pub fn matches(&self, path: &str) -> Option<Result<Args, BadCapture>> {
        if !path.starts_with(self.literal_prefix()) {
            return None;
        }
        let captures = self.regex.captures(path.as_bytes())?;
        let groups = captures.iter().skip(1).zip(&self.names);
        let args = groups.map(|(group, name)| {
            let value = group.map(|group| unquote(group.as_bytes())).transpose()?;
            Ok(Arg { name: name.clone(), value })
        });
        Some(args.collect())
    }

    pub(crate) fn shape(&self) -> Shape {
        let Some(parts) = &self.parts else { return Shape::Regex(self.text.clone()) };
        let mut tokens = Vec::new();
        for part in parts {
            match part {
                Part::Literal(literal) => tokens.extend(literal.bytes().map(Token::Literal)),
                Part::Capture(_) => tokens.push(Token::Capture),
            }
        }
        tokens.push(Token::End);
        Shape::Parts(tokens)
    }

    /// With this most routes are passed over at the cost of a comparison.
    fn literal_prefix(&self) -> &str {
        match self.parts.as_deref().and_then(<[Part]>::first) {
            Some(Part::Literal(literal)) => literal,
            _ => "",
        }
    }
}

/// The pattern as it was written; `regex` before a regular expression.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.text {
            text if !self.is_regex() => write!(f, "{text:?}"),
            // As a manifest writes it best: without doubled backslashes.
            text if !text.contains(|c: char| c == '\'' || c.is_control()) => write!(f, "regex '{text}'"),
            text => write!(f, "regex {text:?}"),
        }
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({self})")
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.is_regex() == other.is_regex()
    }
}

impl Eq for Pattern {}

/// Percent-decode a capture. A `%` without two hex digits stays as it is, as in Tornado.
fn unquote(raw: &[u8]) -> Result<String, BadCapture> {
    let text = percent_decode(raw).decode_utf8().map_err(|_| BadCapture)?;
    if text.contains('\0') { Err(BadCapture) } else { Ok(text.into_owned()) }
}

fn check_length(text: &str) -> Result<(), PatternError> {
    if text.len() > PATTERN_BYTES {
        return Err(PatternError(format!("is {} bytes long; at most {PATTERN_BYTES} are allowed", text.len())));
    }
    Ok(())
}

fn parse_parts(text: &str) -> Result<Vec<Part>, PatternError> {
    let mut parts: Vec<Part> = Vec::new();
    let mut literal = String::new();
    let mut characters = text.chars().enumerate().map(|(index, character)| (index + 1, character));
    while let Some((position, character)) = characters.next() {
        match character {
            '{' => {
                if !literal.is_empty() {
                    parts.push(Part::Literal(std::mem::take(&mut literal)));
                } else if !parts.is_empty() {
                    let problem = "has two captures side by side, and nothing says where one ends";
                    return Err(PatternError(format!("{problem}, at character {position}")));
                }
                let name = capture_name(position, &mut characters)?;
                let capture = Part::Capture(name);
                if parts.contains(&capture) {
                    return Err(PatternError(format!("has a second capture of the same name at character {position}")));
                }
                parts.push(capture);
            }
            _ => {
                check_literal(position, character)?;
                literal.push(character);
            }
        }
    }
    if !literal.is_empty() {
        parts.push(Part::Literal(literal));
    }
    Ok(parts)
}

/// The name of a capture whose `{` was just read, up to and with its `}`.
fn capture_name(start: usize, characters: &mut impl Iterator<Item = (usize, char)>) -> Result<String, PatternError> {
    let mut name = String::new();
    for (position, character) in characters {
        let is_name =
            character == '_' || character.is_ascii_alphabetic() || (!name.is_empty() && character.is_ascii_digit());
        match character {
            '}' if !name.is_empty() => return Ok(name),
            '}' => return Err(PatternError(format!("has a capture without a name at character {start}"))),
            _ if is_name => name.push(character),
            _ => {
                let rule = "letters, digits and _, not starting with a digit";
                return Err(PatternError(format!(
                    "has {character:?} in a capture's name at character {position}; a name has {rule}"
                )));
            }
        }
    }
    Err(PatternError(format!("has a \"{{\" without \"}}\" at character {start}")))
}

fn check_literal(position: usize, character: char) -> Result<(), PatternError> {
    let advice = match character {
        '}' => "a \"}\" without \"{\"".to_owned(),
        '?' | '#' => format!("a {character:?}; a route matches the path alone"),
        _ if character.is_ascii_graphic() => return Ok(()),
        _ => {
            let mut bytes = [0; 4];
            let bytes = character.encode_utf8(&mut bytes).bytes();
            let encoded: String = bytes.map(percent_encoding::percent_encode_byte).collect();
            format!("{character:?}; paths are matched as they are sent, so write {encoded}")
        }
    };
    Err(PatternError(format!("has {advice}, at character {position}")))
}

fn compile(text: &str) -> Result<Regex, PatternError> {
    let mut builder = RegexBuilder::new(text);
    builder.unicode(false).size_limit(COMPILED_BYTES).dfa_size_limit(8 * COMPILED_BYTES);
    builder.build().map_err(|error| PatternError(explain(&error)))
}

/// One line from the regex crate's drawing of a mistake: its last line says what is wrong, the caret's column where.
fn explain(error: &regex::Error) -> String {
    let regex::Error::Syntax(drawing) = error else {
        return format!("is too large once compiled; at most {COMPILED_BYTES} bytes are allowed");
    };
    let what = drawing.lines().find_map(|line| line.strip_prefix("error: ")).unwrap_or("bad syntax");
    let caret = drawing.lines().find(|line| line.contains('^') && line.trim_matches([' ', '^']).is_empty());
    // The drawing is indented by four blanks. Texts of several lines are drawn with line numbers and get no position.
    let column = caret.and_then(|line| line.find('^')).and_then(|column| column.checked_sub(3));
    match column {
        Some(column) if !drawing.contains('~') => format!("is not a regular expression: {what}, at character {column}"),
        _ => format!("is not a regular expression: {what}"),
    }
}
