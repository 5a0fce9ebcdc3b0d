"""WebSocket bytes by hand, so that invalid ones can be made: frames out, frames in."""

import asyncio
import base64
import dataclasses
import hashlib
import os
import struct

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
NAMES = {CONTINUATION: "continuation", TEXT: "text", BINARY: "binary", CLOSE: "close", PING: "ping", PONG: "pong"}
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@dataclasses.dataclass
class Frame:
    opcode: int
    payload: bytes
    fin: bool = True
    rsv: int = 0

    def __str__(self) -> str:
        """One line of a transcript: `text hello`, `close 1000 bye`, `binary of 4096`."""
        name = NAMES.get(self.opcode, f"opcode {self.opcode}") + ("" if self.fin else " (not final)")
        if self.opcode == CLOSE:
            return f"{name} {close_parts(self.payload)}".rstrip()
        if len(self.payload) > 400:
            return f"{name} of {len(self.payload)}"
        if self.opcode == BINARY or not is_text(self.payload):
            return f"{name} {self.payload.hex()}".rstrip()
        return f"{name} {self.payload.decode().replace(chr(10), '; ')}".rstrip()


def encode(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    masked: bool = True,
    length: int | None = None,
) -> bytes:
    """A client's frame. `length` is the length that the header announces when it is not the payload's."""
    announced = len(payload) if length is None else length
    head = bytes([fin << 7 | rsv << 4 | opcode])
    mask_bit = masked << 7
    if announced < 126:
        head += bytes([mask_bit | announced])
    elif announced < 1 << 16:
        head += struct.pack("!BH", mask_bit | 126, announced)
    else:
        head += struct.pack("!BQ", mask_bit | 127, announced)
    if not masked:
        return head + payload
    key = os.urandom(4)
    repeated = key * (len(payload) // 4 + 1)
    number = int.from_bytes(payload, "big") ^ int.from_bytes(repeated[: len(payload)], "big")
    return head + key + number.to_bytes(len(payload), "big")


async def read_frame(reader: asyncio.StreamReader) -> Frame:
    first, second = await reader.readexactly(2)
    length = second & 127
    if length == 126:
        length = int.from_bytes(await reader.readexactly(2), "big")
    elif length == 127:
        length = int.from_bytes(await reader.readexactly(8), "big")
    payload = await reader.readexactly(length)
    return Frame(first & 15, payload, bool(first & 128), first >> 4 & 7)


def accept_value(key: str) -> str:
    """RFC 6455 section 4.2.2."""
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()


def close_parts(payload: bytes) -> str:
    if len(payload) < 2:
        return payload.hex()
    reason = payload[2:]
    text = reason.decode() if is_text(reason) else reason.hex()
    return f"{int.from_bytes(payload[:2], 'big')} {text}"


def is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
