"""A5: what breaks RFC 6455. Tornado drops the connection, or does not notice; Whimbrel closes with the RFC's code."""

import wire
from steps import Case, handshake, read_end, send, text


def breaks(name: str, title: str, *frames: bytes) -> Case:
    """Then an echo, which only a server that noticed nothing answers."""
    last = [text("noticed nothing"), send(wire.encode(wire.CLOSE, b"\x03\xe8"))]
    return Case(f"A5-{name}", title, [handshake(), send(b"".join(frames)), *last, read_end()])


def closing(name: str, title: str, payload: bytes) -> Case:
    return breaks(name, title, wire.encode(wire.CLOSE, payload))


def close_code(code: int) -> Case:
    return closing(f"code-{code}", f"close code {code}", code.to_bytes(2, "big"))


CASES = [
    breaks("utf8", "text that is not UTF-8", wire.encode(wire.TEXT, b"\xff\xfe")),
    breaks("rsv", "a reserved bit", wire.encode(wire.TEXT, b"a", rsv=4)),
    breaks("opcode", "an unknown opcode", wire.encode(3, b"a")),
    breaks("control-opcode", "an unknown control opcode", wire.encode(11, b"a")),
    breaks("continuation", "a continuation of nothing", wire.encode(wire.CONTINUATION, b"a")),
    breaks(
        "interleaved",
        "a new message inside a fragmented one",
        wire.encode(wire.TEXT, b"a", fin=False),
        wire.encode(wire.TEXT, b"b"),
    ),
    breaks("fragmented-ping", "a fragmented ping", wire.encode(wire.PING, b"a", fin=False)),
    breaks("long-ping", "a ping of 126 bytes", wire.encode(wire.PING, b"x" * 126)),
    breaks("unmasked", "a frame without a mask", wire.encode(wire.TEXT, b"a", masked=False)),
    breaks("length", "a length that is not minimal", b"\x81\xfe\x00\x01\x00\x00\x00\x00a"),
    closing("close-byte", "a close payload of one byte", b"\x03"),
    closing("close-utf8", "a close reason that is not UTF-8", b"\x03\xe8\xff\xfe"),
    *[close_code(code) for code in (999, 1005, 1006, 1015, 5000, 65535)],
]
