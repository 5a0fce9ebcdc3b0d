//! Frame headers as they pass: the library's look at them against one that has all bytes at hand, and tungstenite behind
//! it.

use std::io::{self, Cursor, Read, Write};

use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket, WebSocketConfig};

use super::frames::{Breach, Frames};
use crate::limits::BYTES_PER_FRAGMENT;
use crate::session::CloseCause;

/// Largest message that tungstenite lets pass, in bytes.
const MESSAGE: usize = 64 * 1024;

/// The fuzz target: the first byte is the number of free fragments, the second the length of the pieces.
pub fn frames(data: &[u8]) {
    let [free, piece, stream @ ..] = data else { return };
    let free = 1 + usize::from(free % 32);
    let piece = 1 + usize::from(*piece);
    check(stream, free, |_| piece);
    judge(stream, free);
}

/// Follow the stream in pieces, whose lengths `piece` gives by their numbers; panic when the verdict is not that of the
/// model.
pub fn check(stream: &[u8], free: usize, piece: impl Fn(usize) -> usize) {
    let (stream, expected) = model(stream, free);
    let (mut frames, mut at) = (Frames::new(free), 0);
    for number in 0.. {
        let end = stream.len().min(at + piece(number).max(1));
        match frames.follow(&stream[at..end]) {
            Ok(()) => at = end,
            Err(Breach { good, cause }) => {
                // The head of the frame may have come in earlier pieces.
                let found = Some((at + good, cause));
                assert_eq!(found, expected.map(|(start, cause)| (start.max(at), cause)));
                return;
            }
        }
        if at == stream.len() {
            break;
        }
    }
    assert_eq!(None, expected);
}

/// Where the first broken rule begins, and which it is; and the part of the stream up to the first frame of which only
/// tungstenite judges the rest.
fn model(stream: &[u8], free: usize) -> (&[u8], Option<(usize, CloseCause)>) {
    let (mut at, mut fragments, mut size) = (0, 0_u64, 0_u64);
    loop {
        let frame = &stream[at..];
        let [first, second, ..] = *frame else { return (stream, None) };
        let (opcode, short) = (first & 0xf, second & 0x7f);
        let extended = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let head = 2 + extended + if second & 0x80 != 0 { 4 } else { 0 };
        let has_code = opcode == 8 && short >= 2;
        if frame.len() < head + if has_code { 2 } else { 0 } {
            return (stream, None);
        }
        let length = match extended {
            0 => u64::from(short),
            _ => frame[2..2 + extended].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        };
        let least = [(2, 126), (8, 0x10000)].into_iter().find(|(bytes, _)| *bytes == extended).map_or(0, |(_, it)| it);
        if length < least || length > i64::MAX as u64 {
            return (stream, Some((at, CloseCause::ProtocolError)));
        }
        if has_code {
            if length > 125 {
                return (&stream[..at], None);
            }
            let mask = if second & 0x80 != 0 { [frame[2], frame[3]] } else { [0, 0] };
            let code = u16::from_be_bytes([frame[head] ^ mask[0], frame[head + 1] ^ mask[1]]);
            if !matches!(code, 1000..=1003 | 1007..=1013 | 3000..=4999) {
                return (stream, Some((at, CloseCause::ProtocolError)));
            }
        }
        match opcode {
            0 => (fragments, size) = (fragments + 1, size.saturating_add(length)),
            1 | 2 => (fragments, size) = (1, length),
            _ => {}
        }
        if opcode == 0 && fragments > free as u64 + size / BYTES_PER_FRAGMENT as u64 {
            return (stream, Some((at, CloseCause::RateLimited)));
        }
        at = match usize::try_from(length).ok().and_then(|length| (at + head).checked_add(length)) {
            Some(next) if next < stream.len() => next,
            _ => return (stream, None),
        };
    }
}

/// Read the good part with tungstenite: no message is larger than it may be, and the end is an error.
fn judge(stream: &[u8], free: usize) {
    let good = match Frames::new(free).follow(stream) {
        Ok(()) => stream,
        Err(breach) => &stream[..breach.good],
    };
    let config =
        WebSocketConfig::default().read_buffer_size(4096).max_message_size(Some(MESSAGE)).max_frame_size(Some(MESSAGE));
    let mut socket = WebSocket::from_raw_socket(Peer(Cursor::new(good)), Role::Server, Some(config));
    let mut total = 0;
    while let Ok(message) = socket.read() {
        assert!(message.len() <= MESSAGE);
        total += message.len() + 2;
        assert!(total <= good.len(), "more came out than went in");
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
