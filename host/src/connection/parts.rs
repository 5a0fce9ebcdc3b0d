//! A large frame, cut into parts on its way to tungstenite, which makes room for a whole frame as soon as it has read the
//! header, and keeps that room. So what a peer announces costs nothing before it comes.

use bytes::{Buf, BytesMut};
use tokio::io::ReadBuf;

/// The payload of a part, in bytes: a multiple of the mask's four, so that every part is masked alike.
pub(super) const PART: usize = 16 * 1024;

const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
const CONTINUATION: u8 = 0x0;

/// What is left of a frame that is being cut.
#[derive(Debug)]
pub(super) struct Parts {
    /// The first byte of the next part's head, without FIN.
    first: u8,
    is_final: bool,
    mask: [u8; 4],
    /// Payload bytes without those of the current part.
    left: u64,
    /// Payload bytes of the current part.
    part: usize,
    /// What is not yet given on of the current part's head.
    head: BytesMut,
}

impl Parts {
    /// A frame with this first byte, mask and length of its payload.
    pub(super) fn new(first: u8, mask: [u8; 4], length: u64) -> Self {
        Parts { first: first & !FIN, is_final: first & FIN != 0, mask, left: length, part: 0, head: BytesMut::new() }
    }

    /// Whether the frame has been given on to its end.
    pub(super) fn is_over(&self) -> bool {
        self.left == 0 && self.part == 0
    }

    /// Give on what came and has room; yields the payload bytes among it.
    pub(super) fn pass(&mut self, input: &mut BytesMut, buffer: &mut ReadBuf<'_>) -> usize {
        let mut passed = 0;
        while !self.is_over() && buffer.remaining() > 0 {
            if self.part == 0 {
                // The head comes with the first byte of its payload, so that there is always something behind it.
                if input.is_empty() {
                    break;
                }
                self.begin();
            }
            let head = self.head.len().min(buffer.remaining());
            buffer.put_slice(&self.head.split_to(head));
            let payload = self.part.min(input.len()).min(buffer.remaining());
            if head == 0 && payload == 0 {
                break;
            }
            buffer.put_slice(input.get(..payload).unwrap_or_default());
            input.advance(payload);
            self.part -= payload;
            passed += payload;
        }
        passed
    }

    /// Write the head of the next part.
    fn begin(&mut self) {
        self.part = usize::try_from(self.left).unwrap_or(usize::MAX).min(PART);
        self.left -= self.part as u64;
        let fin = if self.is_final && self.left == 0 { FIN } else { 0 };
        self.head.extend_from_slice(&[self.first | fin]);
        // RSV bits stay those of the first part, as in any message of several frames.
        self.first = CONTINUATION;
        match u8::try_from(self.part) {
            Ok(short @ ..=125) => self.head.extend_from_slice(&[MASKED | short]),
            _ => {
                self.head.extend_from_slice(&[MASKED | 126]);
                self.head.extend_from_slice(&(self.part as u16).to_be_bytes());
            }
        }
        self.head.extend_from_slice(&self.mask);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cuts a frame that comes in pieces of one size, read into buffers of another.
    fn cut(length: usize, piece: usize, room: usize) -> Vec<u8> {
        let payload: Vec<u8> = (0..length).map(|index| index as u8).collect();
        let mut parts = Parts::new(0x82, [1, 2, 3, 4], length as u64);
        let (mut input, mut output, mut passed) = (BytesMut::new(), Vec::new(), 0);
        let mut memory = vec![0; room];
        for bytes in payload.chunks(piece) {
            input.extend_from_slice(bytes);
            loop {
                let mut buffer = ReadBuf::new(&mut memory);
                passed += parts.pass(&mut input, &mut buffer);
                if buffer.filled().is_empty() {
                    break;
                }
                output.extend_from_slice(buffer.filled());
            }
        }
        assert!(parts.is_over() && input.is_empty());
        assert_eq!(passed, length);
        output
    }

    #[test]
    fn a_frame_becomes_parts_with_the_same_mask() {
        for (piece, room) in [(1 << 20, 1 << 20), (1, 4096), (1000, 4096), (7, 3)] {
            for last in [1, 125, 126, PART] {
                let output = cut(2 * PART + last, piece, room);
                let payload = |index: usize| (index % 256) as u8;
                let mut at = 0;
                for (number, length) in [PART, PART, last].into_iter().enumerate() {
                    let first = [0x02, 0x00, 0x80][number];
                    let head = match length {
                        ..=125 => vec![first, 0x80 | length as u8, 1, 2, 3, 4],
                        _ => [&[first, 0xfe], &(length as u16).to_be_bytes()[..], &[1, 2, 3, 4]].concat(),
                    };
                    assert_eq!(output[at..at + head.len()], head);
                    at += head.len();
                    let expected = (0..length).map(|index| payload(number * PART + index));
                    assert!(output[at..at + length].iter().copied().eq(expected));
                    at += length;
                }
                assert_eq!(at, output.len());
            }
        }
    }

    #[test]
    fn a_fragment_that_is_not_the_last_stays_so() {
        let mut parts = Parts::new(0x00, [0; 4], PART as u64 + 1);
        let (mut input, mut memory) = (BytesMut::from(&vec![0; PART + 1][..]), vec![0; 2 * PART]);
        let mut buffer = ReadBuf::new(&mut memory);
        parts.pass(&mut input, &mut buffer);
        assert_eq!(buffer.filled()[0], 0x00);
        assert_eq!(buffer.filled()[8 + PART..], [0x00, 0x81, 0, 0, 0, 0, 0]);
    }
}
