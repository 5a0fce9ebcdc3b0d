//! Frame headers as they pass: the library's look at them against one that has all bytes at hand, and tungstenite behind
//! it.

use std::io::{self, Cursor, Read, Write};

use bytes::BytesMut;
use tokio::io::ReadBuf;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket, WebSocketConfig};

use super::frames::{Followed, Frames, Stop};
use super::parts::PART;
use crate::limits::BYTES_PER_FRAGMENT;
use crate::session::{Passed, Violation};

/// Largest message, in bytes.
const MESSAGE: usize = 64 * 1024;
/// Room for what is given on at once.
const ROOM: usize = 5000;

/// The fuzz target: the first byte is the number of free fragments, the second the length of the pieces.
pub fn frames(data: &[u8]) {
    let [free, piece, stream @ ..] = data else { return };
    let free = 1 + usize::from(free % 32);
    let piece = 1 + usize::from(*piece);
    judge(&check(stream, free, |_| piece));
}

/// Which rule was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Protocol,
    Fragments,
    Size,
}

impl From<Violation> for Rule {
    fn from(violation: Violation) -> Self {
        match violation {
            Violation::Limit(Passed::Fragments { .. }) => Rule::Fragments,
            Violation::Limit(Passed::MessageSize { .. }) => Rule::Size,
            _ => Rule::Protocol,
        }
    }
}

/// Follow the stream in pieces, whose lengths `piece` gives by their numbers; panic when the verdict is not that of the
/// model. Yields what was given on.
pub fn check(stream: &[u8], free: usize, piece: impl Fn(usize) -> usize) -> Vec<u8> {
    let mut walk = Walk { frames: Frames::new(MESSAGE, free), stream, at: 0, end: 0, given: Vec::new() };
    let found = (0..).find_map(|number| {
        let is_over = walk.end == stream.len();
        walk.end = stream.len().min(walk.end.saturating_add(piece(number).max(1)));
        walk.piece().map(Some).or(is_over.then_some(None))
    });
    assert_eq!(found.flatten(), model(stream, free));
    walk.given
}

/// Does what the wire does: what is not followed is shown again, and large frames are cut.
struct Walk<'a> {
    frames: Frames,
    stream: &'a [u8],
    /// The bytes that have come and are not followed.
    at: usize,
    end: usize,
    given: Vec<u8>,
}

impl Walk<'_> {
    /// Where a rule was broken, and which.
    fn piece(&mut self) -> Option<(usize, Rule)> {
        loop {
            let Followed { good, stop } = self.frames.follow(&self.stream[self.at..self.end]);
            self.given.extend_from_slice(&self.stream[self.at..self.at + good]);
            self.at += good;
            match stop {
                Stop::End => return None,
                Stop::Breach(violation) => return Some((self.at, violation.into())),
                Stop::Large(head, mut parts) => {
                    self.at += head;
                    // All that there is of it: a piece ends behind a large frame.
                    let mut input = BytesMut::from(&self.stream[self.at..]);
                    let mut room = [0; ROOM];
                    while !parts.is_over() && !input.is_empty() {
                        let mut buffer = ReadBuf::new(&mut room);
                        self.frames.passed(parts.pass(&mut input, &mut buffer));
                        self.given.extend_from_slice(buffer.filled());
                    }
                    self.at = self.stream.len() - input.len();
                    self.end = self.end.max(self.at);
                }
            }
        }
    }
}

/// Where the first broken rule begins, and which it is.
fn model(stream: &[u8], free: usize) -> Option<(usize, Rule)> {
    let (mut at, mut fragments, mut size) = (0, 0_u64, 0_u64);
    loop {
        let frame = &stream[at..];
        let [first, second, ..] = *frame else { return None };
        let (opcode, is_masked, short) = (first & 0xf, second & 0x80 != 0, second & 0x7f);
        let (extended, least) = match short {
            126 => (2, 126),
            127 => (8, 0x10000),
            _ => (0, 0),
        };
        let length = match extended {
            0 => u64::from(short),
            _ => frame.get(2..2 + extended)?.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        };
        if length < least || length > i64::MAX as u64 {
            return Some((at, Rule::Protocol));
        }
        let head = 2 + extended + if is_masked { 4 } else { 0 };
        let has_code = opcode == 8 && length >= 2;
        if frame.len() < head + if has_code { 2 } else { 0 } {
            return None;
        }
        if has_code {
            let mask = if is_masked { [frame[head - 4], frame[head - 3]] } else { [0, 0] };
            let code = u16::from_be_bytes([frame[head] ^ mask[0], frame[head + 1] ^ mask[1]]);
            if !matches!(code, 1000..=1003 | 1007..=1013 | 3000..=4999) {
                return Some((at, Rule::Protocol));
            }
        }
        match opcode {
            0 => (fragments, size) = (fragments + 1, size.saturating_add(length)),
            1 | 2 => (fragments, size) = (1, length),
            _ => {}
        }
        if opcode == 0 && fragments > free as u64 + size / BYTES_PER_FRAGMENT as u64 {
            return Some((at, Rule::Fragments));
        }
        if opcode < 8 && size > MESSAGE as u64 {
            return Some((at, Rule::Size));
        }
        if length > PART as u64 && (!is_masked || opcode > 2) {
            return Some((at, Rule::Protocol));
        }
        at = match usize::try_from(length).ok().and_then(|length| (at + head).checked_add(length)) {
            Some(next) if next < stream.len() => next,
            _ => return None,
        };
    }
}

/// Read what was given on with tungstenite: no message is larger than it may be.
fn judge(given: &[u8]) {
    let config =
        WebSocketConfig::default().read_buffer_size(4096).max_message_size(Some(MESSAGE)).max_frame_size(Some(MESSAGE));
    let mut socket = WebSocket::from_raw_socket(Peer(Cursor::new(given)), Role::Server, Some(config));
    let mut total = 0;
    while let Ok(message) = socket.read() {
        assert!(message.len() <= MESSAGE);
        total += message.len() + 2;
        assert!(total <= given.len(), "more came out than went in");
    }
}

/// Has said all that it will say, and hears nothing.
struct Peer<'a>(Cursor<&'a [u8]>);

impl Read for Peer<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Peer<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
