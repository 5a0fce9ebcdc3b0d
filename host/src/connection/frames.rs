//! A look at the frame headers that pass on their way to tungstenite, for the rules that it does not judge: lengths that
//! are not minimal, close codes that may not be sent, and messages in endless fragments. And for what it does not tell:
//! whether a message has begun that is not complete.

use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::limits::BYTES_PER_FRAGMENT;
use crate::session::{Passed, Violation};

/// The longest header (RFC 6455 section 5.2) with the code of a close frame behind it, in bytes.
const HEAD: usize = 14 + 2;
const CLOSE: u8 = 0x8;
const CONTINUATION: u8 = 0x0;
/// Opcodes from here are those of control frames.
const CONTROL: u8 = 0x8;
const FIN: u8 = 0x80;

/// Follows the frames of one peer.
#[derive(Debug)]
pub(super) struct Frames {
    /// What `limits.fragments` allows.
    free_fragments: u64,
    /// The header so far, when it came in parts.
    head: [u8; HEAD],
    filled: usize,
    /// Payload bytes of the current frame still to come.
    payload: u64,
    /// Frames and bytes of the current message.
    fragments: u64,
    bytes: u64,
    /// Whether a message has begun whose last frame has not come.
    is_within_message: bool,
    /// Messages, and control frames between them, that were complete.
    complete: u64,
}

/// A rule was broken: by the frame that begins behind `good` of the bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Breach {
    pub(super) good: usize,
    pub(super) violation: Violation,
}

impl Frames {
    pub(super) fn new(free_fragments: usize) -> Self {
        let free_fragments = free_fragments as u64;
        Frames {
            free_fragments,
            head: [0; HEAD],
            filled: 0,
            payload: 0,
            fragments: 0,
            bytes: 0,
            is_within_message: false,
            complete: 0,
        }
    }

    /// The number of the message, or of the control frame between messages, that has begun and is not complete.
    pub(super) fn incomplete(&self) -> Option<u64> {
        (self.is_within_message || self.filled > 0 || self.payload > 0).then_some(self.complete)
    }

    /// Follow the next bytes of the stream.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Result<(), Breach> {
        let mut rest = bytes;
        loop {
            let skipped = usize::try_from(self.payload).unwrap_or(usize::MAX).min(rest.len());
            self.payload -= skipped as u64;
            rest = rest.get(skipped..).unwrap_or_default();
            if skipped > 0 && self.payload == 0 {
                self.frame_ended();
            }
            if rest.is_empty() {
                return Ok(());
            }
            let good = bytes.len() - rest.len();
            while self.filled < self.wanted() {
                let Some((byte, more)) = rest.split_first() else { return Ok(()) };
                if let Some(place) = self.head.get_mut(self.filled) {
                    *place = *byte;
                }
                self.filled += 1;
                rest = more;
            }
            self.payload = self.judge().map_err(|violation| Breach { good, violation })?;
            self.filled = 0;
            if self.payload == 0 {
                self.frame_ended();
            }
        }
    }

    /// The whole frame whose head is still at hand has come.
    fn frame_ended(&mut self) {
        match (self.opcode() < CONTROL, self.head[0] & FIN != 0) {
            (true, is_final) => {
                self.is_within_message = !is_final;
                self.complete += u64::from(is_final);
            }
            (false, _) => self.complete += u64::from(!self.is_within_message),
        }
    }

    fn opcode(&self) -> u8 {
        self.head[0] & 0x0f
    }

    fn is_masked(&self) -> bool {
        self.head[1] & 0x80 != 0
    }

    fn short_length(&self) -> u8 {
        self.head[1] & 0x7f
    }

    /// Bytes from the start of the header to its mask.
    fn mask_at(&self) -> usize {
        match self.short_length() {
            126 => 4,
            127 => 10,
            _ => 2,
        }
    }

    /// How much of the head must be there to be judged, as far as is known.
    fn wanted(&self) -> usize {
        if self.filled < 2 {
            return 2;
        }
        let mask = if self.is_masked() { 4 } else { 0 };
        self.mask_at() + mask + self.peeked()
    }

    /// Payload bytes that are looked at: the code of a close frame.
    fn peeked(&self) -> usize {
        if self.opcode() == CLOSE && self.short_length() >= 2 { 2 } else { 0 }
    }

    /// Judge a complete head; yields the payload bytes still to come.
    fn judge(&mut self) -> Result<u64, Violation> {
        let length = self.length().ok_or(Violation::Protocol)?;
        match self.opcode() {
            CLOSE if self.peeked() > 0 && !CloseCode::from(self.close_code()).is_allowed() => {
                return Err(Violation::Protocol);
            }
            CONTINUATION => {
                self.fragments += 1;
                self.bytes = self.bytes.saturating_add(length);
                let allowed = self.free_fragments + self.bytes / BYTES_PER_FRAGMENT as u64;
                if self.fragments > allowed {
                    let count = self.fragments;
                    return Err(Violation::Limit(Passed::Fragments { count, allowed }));
                }
            }
            1 | 2 => (self.fragments, self.bytes) = (1, length),
            _ => {}
        }
        Ok(length - self.peeked() as u64)
    }

    /// The payload's length; none when it is not written in the fewest bytes, or has its top bit set.
    fn length(&self) -> Option<u64> {
        let [_, _, a, b, c, d, e, f, g, h, ..] = self.head;
        match self.short_length() {
            126 => Some(u64::from(u16::from_be_bytes([a, b]))).filter(|length| *length > 125),
            127 => Some(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
                .filter(|length| *length > 0xffff && *length <= i64::MAX as u64),
            short => Some(u64::from(short)),
        }
    }

    fn close_code(&self) -> u16 {
        // A control frame's length is short, so these are the places; tungstenite refuses other ones.
        let [_, _, m, n, _, _, c, d, ..] = self.head;
        if self.is_masked() { u16::from_be_bytes([c ^ m, d ^ n]) } else { u16::from_be_bytes([m, n]) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAGMENTS: usize = 1024;

    fn follow(bytes: &[u8]) -> Result<(), Breach> {
        let whole = Frames::new(FRAGMENTS).follow(bytes);
        // The same byte by byte: the place differs, the verdict does not.
        let mut frames = Frames::new(FRAGMENTS);
        let parts: Result<(), Breach> = bytes.chunks(1).try_for_each(|byte| frames.follow(byte));
        assert_eq!(
            parts.map_err(|breach| breach.violation),
            whole.as_ref().map(|_| ()).map_err(|breach| breach.violation)
        );
        whole
    }

    fn breach(good: usize, violation: Violation) -> Result<(), Breach> {
        Err(Breach { good, violation })
    }

    #[test]
    fn proper_frames_pass() {
        let mut bytes = vec![0x81, 0x82, 1, 2, 3, 4, 5, 6, 0x89, 0x80, 1, 2, 3, 4];
        bytes.extend([0x82, 0xfe, 0, 126, 0, 0, 0, 0]);
        bytes.extend([0; 126]);
        bytes.extend([0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        bytes.extend(vec![0; 0x10000]);
        bytes.extend([0x88, 0x82, 1, 2, 3, 4, 0x03 ^ 1, 0xe8 ^ 2]);
        assert_eq!(follow(&bytes), Ok(()));
    }

    #[test]
    fn lengths_are_minimal() {
        let good = [0x81, 0x80, 1, 2, 3, 4];
        for bad in [
            &[0x82, 0xfe, 0, 125, 0, 0, 0, 0][..],
            &[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0],
            &[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ] {
            assert_eq!(follow(&[&good, bad].concat()), breach(6, Violation::Protocol), "{bad:02x?}");
        }
    }

    #[test]
    fn close_codes_are_those_that_may_be_sent() {
        for (code, is_allowed) in
            [(999_u16, false), (1000, true), (1005, false), (1015, false), (3000, true), (5000, false)]
        {
            let [high, low] = code.to_be_bytes();
            let verdict = follow(&[0x88, 0x82, 9, 8, 7, 6, high ^ 9, low ^ 8]);
            assert_eq!(verdict.is_ok(), is_allowed, "{code}");
        }
        assert_eq!(follow(&[0x88, 0x80, 1, 2, 3, 4]), Ok(()), "no code");
        assert_eq!(follow(&[0x88, 0x81, 1, 2, 3, 4, 5]), Ok(()), "left to tungstenite");
    }

    #[test]
    fn endless_empty_fragments_are_too_many() {
        let first = [0x01, 0x80, 1, 2, 3, 4];
        let empty = [0x00, 0x80, 1, 2, 3, 4];
        let enough = [&first[..], &empty.repeat(FRAGMENTS - 1)].concat();
        assert_eq!(follow(&enough), Ok(()));
        let too_many = [&enough[..], &empty].concat();
        let passed = Passed::Fragments { count: 1025, allowed: 1024 };
        assert_eq!(follow(&too_many), breach(enough.len(), Violation::Limit(passed)));
    }

    #[test]
    fn what_has_begun_is_incomplete_to_its_last_byte() {
        let mut frames = Frames::new(FRAGMENTS);
        let first = [0x01, 0x81, 0, 0, 0, 0, b'a'];
        let ping = [0x89, 0x81, 0, 0, 0, 0, b'p'];
        let last = [0x80, 0x82, 0, 0, 0, 0, b'b', b'c'];
        let mut seen = Vec::new();
        for byte in [&ping[..], &first, &ping, &last, &ping, &[0x82, 0x80, 0, 0, 0, 0]].concat() {
            assert_eq!(frames.follow(&[byte]), Ok(()));
            seen.push(frames.incomplete());
        }
        let of = |number: Option<u64>, bytes: usize| vec![number; bytes];
        // A ping between messages is something of its own; one within a message belongs to it.
        let expected = [
            of(Some(0), 6),
            of(None, 1),
            of(Some(1), 7 + 7 + 7),
            of(None, 1),
            of(Some(2), 6),
            of(None, 1),
            of(Some(3), 5),
            of(None, 1),
        ];
        assert_eq!(seen, expected.concat());
    }
}
