//! A look at the frame headers that pass on their way to tungstenite, for the rules that it does not judge: lengths that
//! are not minimal, close codes that may not be sent, and messages in endless fragments.

use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::limits::BYTES_PER_FRAGMENT;
use crate::session::CloseCause;

/// The longest header (RFC 6455 section 5.2) with the code of a close frame behind it, in bytes.
const HEAD: usize = 14 + 2;
const CLOSE: u8 = 0x8;
const CONTINUATION: u8 = 0x0;

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
    /// Whether a close frame of the peer is an answer.
    is_answer: bool,
}

/// A rule was broken: by the frame that begins behind `good` of the bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Breach {
    pub(super) good: usize,
    pub(super) cause: CloseCause,
}

impl Frames {
    pub(super) fn new(free_fragments: usize) -> Self {
        let free_fragments = free_fragments as u64;
        Frames { free_fragments, head: [0; HEAD], filled: 0, payload: 0, fragments: 0, bytes: 0, is_answer: false }
    }

    /// Our close frame is on its way: the peer's will be its answer.
    pub(super) fn expect_answer(&mut self) {
        self.is_answer = true;
    }

    /// Follow the next bytes of the stream.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Result<(), Breach> {
        let mut rest = bytes;
        loop {
            let skipped = usize::try_from(self.payload).unwrap_or(usize::MAX).min(rest.len());
            self.payload -= skipped as u64;
            rest = rest.get(skipped..).unwrap_or_default();
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
            self.payload = self.judge().map_err(|cause| Breach { good, cause })?;
            self.filled = 0;
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
    fn judge(&mut self) -> Result<u64, CloseCause> {
        let length = self.length().ok_or(CloseCause::ProtocolError)?;
        match self.opcode() {
            CLOSE if self.peeked() > 0 && !self.is_close_code_allowed() => return Err(CloseCause::ProtocolError),
            CONTINUATION => {
                self.fragments += 1;
                self.bytes = self.bytes.saturating_add(length);
                let allowed = self.free_fragments + self.bytes / BYTES_PER_FRAGMENT as u64;
                if self.fragments > allowed {
                    return Err(CloseCause::RateLimited);
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

    /// tungstenite does not know 1014 (bad gateway, registered later) and would answer it as if it were 1002. As the
    /// echo of what a guest closed with it may come nevertheless.
    fn is_close_code_allowed(&self) -> bool {
        let code = self.close_code();
        CloseCode::from(code).is_allowed() || (code == 1014 && self.is_answer)
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
        assert_eq!(parts.map_err(|breach| breach.cause), whole.as_ref().map(|_| ()).map_err(|breach| breach.cause));
        whole
    }

    fn breach(good: usize, cause: CloseCause) -> Result<(), Breach> {
        Err(Breach { good, cause })
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
            assert_eq!(follow(&[&good, bad].concat()), breach(6, CloseCause::ProtocolError), "{bad:02x?}");
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
        let echo = [0x88, 0x82, 9, 8, 7, 6, 0x03 ^ 9, 0xf6 ^ 8];
        assert_eq!(follow(&echo), breach(0, CloseCause::ProtocolError));
        let mut frames = Frames::new(FRAGMENTS);
        frames.expect_answer();
        assert_eq!(frames.follow(&echo), Ok(()), "1014 as the answer");
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
        assert_eq!(follow(&too_many), breach(enough.len(), CloseCause::RateLimited));
    }
}
