"""A4: settings, of the application (server `settings`: 1000 bytes, 500 ms, 300 ms) and of a handler."""

import wire
from steps import Case, binary, close, event, handshake, keep_reading, ping, read, read_end, run, send, text

KEPT_ALIVE = "/ws?interval=500&timeout=300"
MIB = 1024 * 1024


def fragment(opcode: int, size: int, *, fin: bool) -> bytes:
    return wire.encode(opcode, b"x" * size, fin=fin)


CASES = [
    Case("A4-36a", "the application's interval", [handshake(server="settings"), read(), read(), event("on_pong")]),
    Case("A4-36b", "a handler's interval", [handshake("/ws?interval=300"), read(), event("on_pong")]),
    Case("A4-36c", "no ping when off", [handshake("/ws?interval=0"), keep_reading(1.0, answer=False)]),
    Case(
        "A4-36d",
        "a handler switches the application's interval off",
        [handshake("/ws?interval=0&timeout=0", server="settings"), keep_reading(1.2, answer=False)],
    ),
    Case("A4-37a", "a silent peer", [handshake(KEPT_ALIVE), keep_reading(4.0, answer=False)]),
    Case("A4-37b", "the application's timeout", [handshake(server="settings"), keep_reading(4.0, answer=False)]),
    Case("A4-37c", "a peer that answers", [handshake(KEPT_ALIVE), keep_reading(2.2, answer=True)]),
    Case(
        "A4-37d",
        "a peer that sends data, but no pong",
        [handshake(KEPT_ALIVE + "&quiet=1"), keep_reading(2.2, answer=False, chat="alive")],
    ),
    Case("A4-37e", "no timeout", [handshake("/ws?interval=300&timeout=0"), keep_reading(2.2, answer=False)]),
    Case(
        "A4-37f",
        "a timeout over the interval",
        [handshake("/ws?interval=400&timeout=5000"), keep_reading(3.0, answer=False)],
    ),
    Case(
        "A4-37g",
        "a handler that is busy for longer than the timeout",
        [handshake(KEPT_ALIVE), run("wait 1800", "send done"), keep_reading(3.0, answer=True)],
    ),
    Case("A4-38a", "exactly the limit", [handshake("/ws?max=1000"), text("x" * 1000), read()]),
    Case("A4-38b", "one byte more", [handshake("/ws?max=1000"), text("x" * 1001), read_end()]),
    Case(
        "A4-38c",
        "judged before the payload comes",
        [handshake("/ws?max=1000"), send(wire.encode(wire.BINARY, length=1001)), read_end()],
    ),
    Case(
        "A4-38d",
        "over the limit in fragments",
        [
            handshake("/ws?max=1000"),
            send(fragment(wire.TEXT, 600, fin=False) + fragment(wire.CONTINUATION, 401, fin=True)),
            read_end(),
        ],
    ),
    Case(
        "A4-38e",
        "exactly the limit in fragments",
        [
            handshake("/ws?max=1000"),
            send(fragment(wire.TEXT, 600, fin=False) + fragment(wire.CONTINUATION, 400, fin=True)),
            read(),
        ],
    ),
    Case(
        "A4-38f",
        "a ping inside a message of the limit",
        [
            handshake("/ws?max=1000"),
            send(fragment(wire.TEXT, 995, fin=False)),
            ping("between"),
            send(fragment(wire.CONTINUATION, 5, fin=True)),
            read(2),
        ],
    ),
    Case("A4-38g", "the application's limit", [handshake(server="settings"), text("x" * 1001), read_end()]),
    Case("A4-38h", "the default limit", [handshake("/ws?quiet=1"), binary(b"x" * 10 * MIB), event("on_message")]),
    Case(
        "A4-38i",
        "over the default limit",
        [handshake(), send(wire.encode(wire.BINARY, length=10 * MIB + 1)), read_end()],
    ),
    Case("A4-38j", "nothing limits what is sent", [handshake("/ws?max=1000"), run("send fill:5000"), read()]),
    Case("A4-40a", "10 KiB of headers", [handshake(headers={"X-Long": "x" * 10 * 1024}), close(1000), read_end()]),
    Case("A4-40b", "20 KiB of headers", [handshake(headers={"X-Long": "x" * 20 * 1024}), close(1000), read_end()]),
    Case("A4-40c", "70 KiB of headers", [handshake(headers={"X-Long": "x" * 70 * 1024}), close(1000), read_end()]),
]
