//! Large frames from the peer, cut into fragments on their way to tungstenite.
//!
//! tungstenite reserves a frame's whole length when its header arrives, and keeps the buffer for the connection's life;
//! what it gathers from fragments grows with what has arrived and goes with the message. So it is given no large frame.
//! The bytes of the payload, their order and their masks stay what they are.

use bytes::{Buf, BytesMut};
use tokio::io::ReadBuf;

/// Frames with a larger payload are cut into pieces of this size. A multiple of the mask's four bytes, so that each piece
/// begins with the mask's first.
pub(super) const PIECE: usize = 8 * 1024;
/// The header of a masked piece: its length takes two bytes at most.
const PIECE_HEAD: usize = 8;
const FIN: u8 = 0x80;
const OPCODE: u8 = 0x0f;
const MASKED: u8 = 0x80;

/// Where in the stream of frames the next byte stands.
#[derive(Debug)]
pub(super) struct Reframe {
    /// Larger frames are left as they are: they are refused by their header.
    max_message_size: u64,
    at: At,
}

#[derive(Debug)]
enum At {
    /// In a frame that stays whole, or between frames: bytes left of it.
    Whole(u64),
    /// In a frame that is being cut.
    Cut(Cut),
}

#[derive(Debug)]
struct Cut {
    /// The first byte of the frame's header.
    first: u8,
    mask: [u8; 4],
    is_begun: bool,
    /// Payload bytes that no piece has begun with yet.
    left: u64,
    /// Payload bytes left of the current piece.
    piece: usize,
    /// The header of the current piece, and how much of it is out.
    head: [u8; PIECE_HEAD],
    out: usize,
}

/// The header of a frame as far as it matters here.
struct Head {
    first: u8,
    /// Bytes of the header.
    size: usize,
    length: u64,
    mask: Option<[u8; 4]>,
}

impl Reframe {
    pub(super) fn new(max_message_size: usize) -> Self {
        Reframe { max_message_size: max_message_size as u64, at: At::Whole(0) }
    }

    /// Whether the next bytes may go to tungstenite directly, by way of [`Reframe::pass`].
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.at, At::Whole(_))
    }

    /// How many of these bytes stay as they are. What is behind them, a frame to be cut or a part of a header, has to come
    /// again by way of [`Reframe::copy`].
    pub(super) fn pass(&mut self, bytes: &[u8]) -> usize {
        let At::Whole(left) = &mut self.at else { return 0 };
        let mut passed = 0;
        loop {
            let rest = bytes.get(passed..).unwrap_or_default();
            let step = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
            (*left, passed) = (*left - step as u64, passed + step);
            let Some(head) = bytes.get(passed..).and_then(Head::parse) else { return passed };
            if head.is_to_be_cut(self.max_message_size) {
                return passed;
            }
            *left = head.length.saturating_add(head.size as u64);
        }
    }

    /// Move as much as there is room for, cutting large frames; nothing is moved when `bytes` is only a part of a header.
    pub(super) fn copy(&mut self, bytes: &mut BytesMut, to: &mut ReadBuf<'_>) {
        while to.remaining() > 0 {
            match &mut self.at {
                At::Whole(0) => {
                    let Some(head) = Head::parse(bytes) else { return };
                    self.at = match head.mask {
                        Some(mask) if head.is_to_be_cut(self.max_message_size) => {
                            bytes.advance(head.size);
                            At::Cut(Cut::new(head.first, mask, head.length))
                        }
                        _ => At::Whole(head.length.saturating_add(head.size as u64)),
                    };
                }
                At::Whole(left) => match move_bytes(bytes, to, usize::try_from(*left).unwrap_or(usize::MAX)) {
                    0 => return,
                    moved => *left -= moved as u64,
                },
                At::Cut(cut) => {
                    if !cut.write_head(to) {
                        return;
                    }
                    match move_bytes(bytes, to, cut.piece) {
                        0 if to.remaining() > 0 => return,
                        moved => cut.piece -= moved,
                    }
                    if cut.piece == 0 && !cut.next_piece() {
                        self.at = At::Whole(0);
                    }
                }
            }
        }
    }
}

impl Cut {
    fn new(first: u8, mask: [u8; 4], left: u64) -> Self {
        let mut cut = Cut { first, mask, is_begun: false, left, piece: 0, head: [0; PIECE_HEAD], out: 0 };
        cut.next_piece();
        cut
    }

    /// Begin the next piece; false when there is none.
    fn next_piece(&mut self) -> bool {
        if self.left == 0 {
            return false;
        }
        self.piece = usize::try_from(self.left).unwrap_or(usize::MAX).min(PIECE);
        self.left -= self.piece as u64;
        // Opcode and reserved bits stand in the first piece, the FIN bit in the last.
        let mut first = if self.is_begun { 0 } else { self.first & !FIN };
        if self.left == 0 {
            first |= self.first & FIN;
        }
        self.is_begun = true;
        // A piece is at most 8 KiB: 16 bits hold its length.
        let [high, low] = (self.piece as u16).to_be_bytes();
        let [a, b, c, d] = self.mask;
        self.head = [first, MASKED | 126, high, low, a, b, c, d];
        self.out = 0;
        if self.piece < 126 {
            // Lengths are written in the fewest bytes.
            self.head = [0, 0, first, MASKED | low, a, b, c, d];
            self.out = 2;
        }
        true
    }

    /// Write the piece's header; false while there is no room for all of it.
    fn write_head(&mut self, to: &mut ReadBuf<'_>) -> bool {
        let head = self.head.get(self.out..).unwrap_or_default();
        let count = head.len().min(to.remaining());
        to.put_slice(head.get(..count).unwrap_or_default());
        self.out += count;
        self.out == PIECE_HEAD
    }
}

impl Head {
    /// None while it is not complete.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (&[first, second], rest) = bytes.split_first_chunk()?;
        let (length, rest) = match second & !MASKED {
            126 => rest.split_first_chunk().map(|(length, rest)| (u64::from(u16::from_be_bytes(*length)), rest))?,
            127 => rest.split_first_chunk().map(|(length, rest)| (u64::from_be_bytes(*length), rest))?,
            short => (u64::from(short), rest),
        };
        let (mask, rest) = match second & MASKED {
            0 => (None, rest),
            _ => rest.split_first_chunk().map(|(mask, rest)| (Some(*mask), rest))?,
        };
        Some(Head { first, size: bytes.len() - rest.len(), length, mask })
    }

    /// Whether this is a large frame of data that breaks no rule by its header: what does is shown to those who judge it.
    fn is_to_be_cut(&self, max_message_size: u64) -> bool {
        let is_minimal = match self.size {
            // Its top bit is never set.
            14 => self.length > 0xffff && self.length <= i64::MAX as u64,
            _ => true,
        };
        let is_data = self.first & OPCODE <= 2;
        is_data && self.mask.is_some() && is_minimal && self.length > PIECE as u64 && self.length <= max_message_size
    }
}

/// Move up to so many bytes; yields how many.
fn move_bytes(bytes: &mut BytesMut, to: &mut ReadBuf<'_>, most: usize) -> usize {
    let count = most.min(bytes.len()).min(to.remaining());
    to.put_slice(bytes.get(..count).unwrap_or_default());
    bytes.advance(count);
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 100_000;
    const MASK: [u8; 4] = [1, 2, 3, 4];

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload.len() {
            short @ 0..=125 => bytes.push(MASKED | short as u8),
            medium @ 126..=0xffff => {
                bytes.push(MASKED | 126);
                bytes.extend((medium as u16).to_be_bytes());
            }
            long => {
                bytes.push(MASKED | 127);
                bytes.extend((long as u64).to_be_bytes());
            }
        }
        bytes.extend(MASK);
        bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    /// First bytes and unmasked payloads.
    fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let mut frames = Vec::new();
        while let Some(head) = Head::parse(bytes) {
            let end = head.size + head.length as usize;
            let mask = head.mask.unwrap();
            let payload = bytes[head.size..end].iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
            frames.push((head.first, payload.collect()));
            bytes = &bytes[end..];
        }
        assert!(bytes.is_empty());
        frames
    }

    /// As `Wire` does it: `read` bytes come at once and `room` is there for them.
    fn reframed(bytes: &[u8], read: usize, room: usize) -> Vec<u8> {
        let mut reframe = Reframe::new(MAX);
        let (mut ahead, mut all) = (BytesMut::new(), Vec::new());
        for part in bytes.chunks(read) {
            let passed = if ahead.is_empty() { reframe.pass(part) } else { 0 };
            all.extend(&part[..passed]);
            ahead.extend_from_slice(&part[passed..]);
            loop {
                let mut space = vec![0; room];
                let mut to = ReadBuf::new(&mut space);
                reframe.copy(&mut ahead, &mut to);
                if to.filled().is_empty() {
                    break;
                }
                all.extend(to.filled());
            }
        }
        all
    }

    fn payload(length: usize) -> Vec<u8> {
        (0..length).map(|index| (index % 251) as u8).collect()
    }

    #[test]
    fn t2_large_frames_become_fragments_and_nothing_else_changes() {
        let sent: Vec<(u8, Vec<u8>)> = vec![
            (0x81, payload(5)),
            (0x82, payload(PIECE)),
            (0x82, payload(3 * PIECE + 70)),
            (0x89, payload(125)),
            (0x01, payload(2 * PIECE)),
            (0x89, payload(0)),
            (0x00, payload(70_000)),
            (0x80, payload(PIECE + 1)),
            (0x88, payload(2)),
        ];
        let bytes: Vec<u8> = sent.iter().flat_map(|(first, payload)| frame(*first, payload)).collect();
        let expected: Vec<_> = sent
            .iter()
            .flat_map(|(first, payload)| {
                let pieces: Vec<_> = payload.chunks(PIECE).map(<[u8]>::to_vec).collect();
                let last = pieces.len().saturating_sub(1);
                if pieces.len() < 2 {
                    return vec![(*first, payload.clone())];
                }
                let first_byte =
                    |index| (if index == 0 { first & !FIN } else { 0 }) | (if index == last { first & FIN } else { 0 });
                pieces.into_iter().enumerate().map(|(index, piece)| (first_byte(index), piece)).collect()
            })
            .collect();
        for (read, room) in [(bytes.len(), 4096), (4096, 4096), (1, 4096), (1, 1), (7, 14), (1000, 3), (65536, 65536)] {
            let found = frames(&reframed(&bytes, read, room));
            assert!(found == expected, "read {read}, room {room}");
        }
    }

    #[test]
    fn what_is_judged_by_its_header_stays_as_it_is() {
        let not_minimal = [&[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4][..], &payload(0xffff)].concat();
        let unmasked = [&[0x82, 126, 0x20, 1][..], &payload(PIECE + 1)].concat();
        for bytes in [frame(0x82, &payload(MAX + 1)), frame(0x8a, &payload(70_000)), not_minimal, unmasked] {
            assert_eq!(Reframe::new(MAX).pass(&bytes), bytes.len(), "{:02x?}", &bytes[..14]);
        }
        let top_bit = [0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4];
        assert_eq!(Reframe::new(usize::MAX).pass(&top_bit), top_bit.len());
    }
}
