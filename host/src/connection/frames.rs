//! A look at the frame headers that pass on their way to tungstenite, for the rules that it does not judge: lengths that
//! are not minimal, close codes that may not be sent, and messages in endless fragments. For what it judges too late, when
//! it has made room for all that a header announces. And for what it does not tell: whether a message has begun that is
//! not complete.

use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::parts::{PART, Parts};
use crate::limits::BYTES_PER_FRAGMENT;
use crate::session::{Passed, Violation};

const CLOSE: u8 = 0x8;
const CONTINUATION: u8 = 0x0;
/// Opcodes from here are those of control frames.
const CONTROL: u8 = 0x8;
const FIN: u8 = 0x80;

/// Follows the frames of one peer.
#[derive(Debug)]
pub(super) struct Frames {
    /// The largest message, in bytes.
    max_message_size: u64,
    /// What `limits.fragments` allows.
    free_fragments: u64,
    /// The first byte of the current frame.
    first: u8,
    /// Payload bytes of the current frame still to come.
    payload: u64,
    /// Frames and bytes of the current message.
    fragments: u64,
    bytes: u64,
    /// Whether a message has begun whose last frame has not come.
    is_within_message: bool,
    /// Messages, and control frames between them, that were complete.
    complete: u64,
    /// Whether a close frame of the peer is an answer.
    is_answer: bool,
}

/// How far bytes were followed.
#[derive(Debug)]
pub(super) struct Followed {
    /// So many of them are whole heads and their payload. What follows is the beginning of a head.
    pub(super) good: usize,
    pub(super) stop: Stop,
}

/// Why bytes were not followed further.
#[derive(Debug)]
pub(super) enum Stop {
    /// There are no more of them.
    End,
    /// A head of so many bytes begins a frame that has to be cut.
    Large(usize, Parts),
    /// A rule was broken.
    Breach(Violation),
}

impl Frames {
    pub(super) fn new(max_message_size: usize, free_fragments: usize) -> Self {
        Frames {
            max_message_size: max_message_size as u64,
            free_fragments: free_fragments as u64,
            first: 0,
            payload: 0,
            fragments: 0,
            bytes: 0,
            is_within_message: false,
            complete: 0,
            is_answer: false,
        }
    }

    /// Our close frame is on its way: the peer's will be its answer.
    pub(super) fn expect_answer(&mut self) {
        self.is_answer = true;
    }

    /// The number of the message, or of the control frame between messages, that has begun and is not complete, but for a
    /// frame of which only a part of the head has come.
    pub(super) fn incomplete(&self) -> Option<u64> {
        (self.is_within_message || self.payload > 0).then_some(self.complete)
    }

    /// The number of what comes next.
    pub(super) fn next(&self) -> u64 {
        self.complete
    }

    /// Follow the next bytes of the stream, up to a head that is not complete or begins a frame that has to be cut: what
    /// is not followed has to be shown again, with more behind it.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Followed {
        let mut rest = bytes;
        loop {
            let skipped = usize::try_from(self.payload).unwrap_or(usize::MAX).min(rest.len());
            self.passed(skipped);
            rest = rest.get(skipped..).unwrap_or_default();
            let good = bytes.len() - rest.len();
            match self.begin(rest) {
                Ok(Some(head)) if head.length > PART as u64 => {
                    let parts = Parts::new(head.first, head.mask.unwrap_or_default(), head.length);
                    return Followed { good, stop: Stop::Large(head.size, parts) };
                }
                Ok(Some(head)) => rest = rest.get(head.size..).unwrap_or_default(),
                Ok(None) => return Followed { good, stop: Stop::End },
                Err(violation) => return Followed { good, stop: Stop::Breach(violation) },
            }
        }
    }

    /// So many bytes of the current frame's payload have passed.
    pub(super) fn passed(&mut self, bytes: usize) {
        self.payload = self.payload.saturating_sub(bytes as u64);
        if bytes > 0 && self.payload == 0 {
            self.frame_ended();
        }
    }

    /// Begin with the frame whose head this is, if the head is complete.
    fn begin(&mut self, bytes: &[u8]) -> Result<Option<Head>, Violation> {
        let Some(head) = Head::parse(bytes)? else { return Ok(None) };
        self.judge(&head)?;
        (self.first, self.payload) = (head.first, head.length);
        if head.length == 0 {
            self.frame_ended();
        }
        Ok(Some(head))
    }

    fn frame_ended(&mut self) {
        let is_final = self.first & FIN != 0;
        if opcode(self.first) < CONTROL {
            self.is_within_message = !is_final;
            self.complete += u64::from(is_final);
        } else {
            self.complete += u64::from(!self.is_within_message);
        }
    }

    fn judge(&mut self, head: &Head) -> Result<(), Violation> {
        match opcode(head.first) {
            CLOSE if head.close_code.is_some_and(|code| !self.is_allowed(code)) => return Err(Violation::Protocol),
            CONTINUATION => {
                self.fragments += 1;
                self.bytes = self.bytes.saturating_add(head.length);
                let allowed = self.free_fragments + self.bytes / BYTES_PER_FRAGMENT as u64;
                if self.fragments > allowed {
                    let count = self.fragments;
                    return Err(Violation::Limit(Passed::Fragments { count, allowed }));
                }
            }
            1 | 2 => (self.fragments, self.bytes) = (1, head.length),
            _ => {}
        }
        if opcode(head.first) < CONTROL && self.bytes > self.max_message_size {
            let passed = Passed::MessageSize { bytes: size(self.bytes), allowed: size(self.max_message_size) };
            return Err(Violation::Limit(passed));
        }
        // tungstenite refuses these too, but first waits for all of them.
        match head.length > PART as u64 && (head.mask.is_none() || opcode(head.first) > 2) {
            true => Err(Violation::Protocol),
            false => Ok(()),
        }
    }

    /// tungstenite does not know 1014 (bad gateway, registered later) and would answer it as if it were 1002. As the echo
    /// of what a guest closed with it may come nevertheless.
    fn is_allowed(&self, code: u16) -> bool {
        CloseCode::from(code).is_allowed() || (code == 1014 && self.is_answer)
    }
}

/// The head of a frame (RFC 6455 section 5.2).
#[derive(Debug)]
struct Head {
    first: u8,
    /// Of the payload.
    length: u64,
    mask: Option<[u8; 4]>,
    /// The head's own bytes.
    size: usize,
    close_code: Option<u16>,
}

impl Head {
    /// None while it is not complete; of a close frame the code belongs to it.
    fn parse(bytes: &[u8]) -> Result<Option<Head>, Violation> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        let Some((length, rest)) = length(second & 0x7f, rest) else { return Ok(None) };
        let length = length.ok_or(Violation::Protocol)?;
        let (mask, rest) = match (second & 0x80 != 0, rest) {
            (false, _) => (None, rest),
            (true, [a, b, c, d, rest @ ..]) => (Some([*a, *b, *c, *d]), rest),
            (true, _) => return Ok(None),
        };
        let close_code = match (opcode(*first) == CLOSE && length >= 2, rest) {
            (false, _) => None,
            (true, [high, low, ..]) => {
                let [m, n, ..] = mask.unwrap_or_default();
                Some(u16::from_be_bytes([high ^ m, low ^ n]))
            }
            (true, _) => return Ok(None),
        };
        let size = bytes.len() - rest.len();
        Ok(Some(Head { first: *first, length, mask, size, close_code }))
    }
}

/// The payload's length, and what follows it; none while it is not complete, and no length when it is not written in the
/// fewest bytes or has its top bit set.
fn length(short: u8, rest: &[u8]) -> Option<(Option<u64>, &[u8])> {
    match short {
        126 => {
            let (bytes, rest) = rest.split_first_chunk()?;
            Some((Some(u64::from(u16::from_be_bytes(*bytes))).filter(|length| *length > 125), rest))
        }
        127 => {
            let (bytes, rest) = rest.split_first_chunk()?;
            let is_right = |length: &u64| *length > 0xffff && *length <= i64::MAX as u64;
            Some((Some(u64::from_be_bytes(*bytes)).filter(is_right), rest))
        }
        short => Some((Some(u64::from(short)), rest)),
    }
}

fn opcode(first: u8) -> u8 {
    first & 0x0f
}

fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
