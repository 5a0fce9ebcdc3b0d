//! Routes: a `{name}` pattern against one who matches it piece by piece, and any regular expression against itself.

use std::collections::HashSet;

use whimbrel::routing::{Args, Pattern, Table};

/// The fuzz target: the pattern up to the first line's end, then a path.
pub fn routes(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (pattern, path) = text.split_once('\n').unwrap_or((&text, "/"));
    // hyper lets nothing else through.
    let path: String = path.chars().filter(|c| c.is_ascii_graphic() && !matches!(c, '?' | '#')).collect();
    check(pattern, &path);
}

/// Read the text as a pattern and as a regular expression, and match the path with what came of it.
pub fn check(text: &str, path: &str) {
    if let Ok(pattern) = Pattern::parse(text) {
        check_shown(&pattern);
        let found = pattern.matches(path);
        let expected = Naive::new(text, path).matches();
        assert_eq!(found.as_ref().map(|args| args.as_ref().ok().map(shown)), expected.map(decoded), "{text} {path}");
        check_table(&pattern, path);
    }
    match Pattern::regex(text) {
        Ok(pattern) => {
            check_shown(&pattern);
            let _ = pattern.matches(path);
            check_table(&pattern, path);
        }
        Err(error) => assert!(!error.to_string().contains(['\n', '\x1b']), "{error}"),
    }
}

fn check_shown(pattern: &Pattern) {
    assert!(!pattern.to_string().contains(|c: char| c.is_control() && c != '\n'), "{pattern}");
    assert!(pattern.same_shape(&pattern.clone()));
}

/// Two routes of one shape are a conflict, and one alone is found where it matches.
fn check_table(pattern: &Pattern, path: &str) {
    let routes = [pattern.clone(), pattern.clone()];
    assert!(Table::new([("one", &routes[..1], 1), ("two", &routes[1..], 2)]).is_err());
    let table = Table::new([("one", &routes[..1], 1)]).expect("one route alone");
    let is_found = !matches!(table.find(path), whimbrel::routing::Found::None);
    assert_eq!(is_found, pattern.matches(path).is_some());
}

fn shown(args: &Args) -> Vec<String> {
    args.iter().map(|arg| arg.value.clone().unwrap_or_default()).collect()
}

/// None when a capture is not UTF-8 once decoded, or holds a NUL.
fn decoded(captures: Vec<&str>) -> Option<Vec<String>> {
    captures.into_iter().map(decode).collect()
}

fn decode(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, more)) = rest.split_first() {
        let hex = (*first == b'%').then(|| text_of(more.get(..2)?)).flatten();
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &more[2..];
            }
            None => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

/// Two hexadecimal digits; a sign is none.
fn text_of(digits: &[u8]) -> Option<&str> {
    std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Matches a pattern that was accepted, each capture as long as it can be.
struct Naive<'a> {
    path: &'a str,
    parts: Vec<Part<'a>>,
    /// Part and place from which there is no match.
    hopeless: HashSet<(usize, usize)>,
}

enum Part<'a> {
    Literal(&'a str),
    Capture,
}

impl<'a> Naive<'a> {
    fn new(pattern: &'a str, path: &'a str) -> Self {
        let mut parts = Vec::new();
        for piece in pattern.split('{') {
            let literal = match piece.split_once('}') {
                Some((_, literal)) => {
                    parts.push(Part::Capture);
                    literal
                }
                None => piece,
            };
            parts.push(Part::Literal(literal));
        }
        Naive { path, parts, hopeless: HashSet::new() }
    }

    fn matches(mut self) -> Option<Vec<&'a str>> {
        let mut captures = Vec::new();
        self.rest(0, 0, &mut captures).then(|| captures.into_iter().rev().collect())
    }

    /// Whether the parts from `part` match the path from `at`; their captures are added, the last first.
    fn rest(&mut self, part: usize, at: usize, captures: &mut Vec<&'a str>) -> bool {
        if self.hopeless.contains(&(part, at)) {
            return false;
        }
        let path = &self.path[at..];
        let is_match = match self.parts.get(part) {
            None => path.is_empty(),
            Some(Part::Literal(literal)) => {
                path.starts_with(literal) && self.rest(part + 1, at + literal.len(), captures)
            }
            Some(Part::Capture) => {
                let longest = path.find('/').unwrap_or(path.len());
                let taken = (1..=longest).rev().find(|taken| self.rest(part + 1, at + taken, captures));
                captures.extend(taken.map(|taken| &path[..taken]));
                taken.is_some()
            }
        };
        if !is_match {
            self.hopeless.insert((part, at));
        }
        is_match
    }
}
