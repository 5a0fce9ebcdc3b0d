//! A complete message and its encoding as one unmasked frame (RFC 6455 section 5.2).

use bytes::{BufMut, Bytes, BytesMut};
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// One complete message from a peer, fragments joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Valid UTF-8.
    Text(Utf8Bytes),
    /// Any bytes.
    Binary(Bytes),
}

impl Message {
    /// The payload's length in bytes.
    pub fn len(&self) -> usize {
        match self {
            Message::Text(text) => text.len(),
            Message::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether the payload is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The opcodes that the host sends by itself; close and pong frames are tungstenite's to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// A text message.
    Text = 0x1,
    /// A binary message.
    Binary = 0x2,
    /// A ping.
    Ping = 0x9,
}

/// The longest header of an unmasked frame, in bytes.
pub const HEADER_MAX: usize = 10;

/// Append one final, unmasked frame to `buffer`.
pub fn encode(opcode: Opcode, payload: &[u8], buffer: &mut BytesMut) {
    buffer.reserve(HEADER_MAX + payload.len());
    buffer.put_u8(0x80 | opcode as u8);
    match payload.len() {
        short @ 0..=125 => buffer.put_u8(short as u8),
        medium @ 126..=0xffff => {
            buffer.put_u8(126);
            buffer.put_u16(medium as u16);
        }
        long => {
            buffer.put_u8(127);
            buffer.put_u64(long as u64);
        }
    }
    buffer.put_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_length_has_its_shortest_header() {
        for (length, header) in [
            (0, vec![0x82, 0]),
            (125, vec![0x82, 125]),
            (126, vec![0x82, 126, 0, 126]),
            (0xffff, vec![0x82, 126, 0xff, 0xff]),
            (0x10000, vec![0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let mut buffer = BytesMut::new();
            encode(Opcode::Binary, &vec![7; length], &mut buffer);
            assert_eq!(buffer[..header.len()], header, "length {length}");
            assert_eq!(buffer.len(), header.len() + length);
        }
    }
}
