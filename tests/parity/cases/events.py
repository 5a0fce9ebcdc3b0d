"""A2: what the handler is called with, and when."""

import wire
from steps import (
    Case,
    binary,
    close,
    drop,
    event,
    handshake,
    ping,
    pong,
    read,
    read_end,
    read_pongs,
    run,
    send,
    text,
    who_is_first,
)


def opened(name: str, title: str, path: str) -> Case:
    return Case(name, title, [handshake(path), close(1000), read_end()])


def fails(name: str, title: str, path: str, *steps, expects_close: bool = True) -> Case:
    return Case(name, title, [handshake(path), *steps, read_end()], expects_close)


def fragments(*parts: bytes) -> bytes:
    last = len(parts) - 1
    return b"".join(
        wire.encode(wire.CONTINUATION if index else wire.TEXT, part, fin=index == last)
        for index, part in enumerate(parts)
    )


CASES = [
    opened("A2-19a", "two groups", "/args/room/rest"),
    opened("A2-19b", "a group that took no part", "/args/room"),
    opened("A2-19c", "a group that is empty", "/args/r%20oom/"),
    opened("A2-19d", "an encoded slash", "/args/a%2Fb/c%2fd"),
    opened("A2-19e", "UTF-8", "/args/caf%C3%A9"),
    opened("A2-19f", "named groups", "/named/room/rest"),
    opened("A2-19g", "a named group that took no part", "/named/room"),
    opened("A2-19h", "a plus sign", "/args/a+b"),
    Case("A2-19i", "open sends", [handshake("/ws?open=send%20hello"), read()]),
    Case(
        "A2-19j",
        "no message before open returns",
        [
            handshake("/ws?open=wait%20300|send%20opened", after=wire.encode(wire.TEXT, b"early")),
            read(2),
        ],
    ),
    Case("A2-19k", "open fails", [handshake("/ws?open=fail"), read_end()], expects_close=False),
    Case("A2-20a", "text", [handshake(), text("hé"), read()]),
    Case("A2-20b", "binary", [handshake(), binary(b"\x00\xff"), read()]),
    Case("A2-20c", "empty messages", [handshake(), text(""), binary(b""), read(2)]),
    Case("A2-20d", "fragments", [handshake(), send(fragments(b"one ", b"", b"two")), read()]),
    Case(
        "A2-20e",
        "a ping between fragments",
        [
            handshake(),
            send(wire.encode(wire.TEXT, b"one ", fin=False)),
            ping("between"),
            send(wire.encode(wire.CONTINUATION, b"two")),
            read(2),
        ],
    ),
    Case("A2-20f", "the next message waits", [handshake(), run("wait 300", "send first"), text("second"), read(2)]),
    Case(
        "A2-20g", "a ping while the handler is busy", [handshake(), run("wait 600", "send done"), ping("now"), read(2)]
    ),
    Case("A2-20h", "a character split over fragments", [handshake(), send(fragments(b"\xc3", b"\xa9")), read()]),
    fails("A2-21a", "on_message fails", "/ws", run("fail")),
    fails("A2-21b", "on_message fails after it has sent", "/ws", run("send before", "fail")),
    fails("A2-21c", "on_ping fails", "/ws?fail=ping", ping("a"), expects_close=False),
    fails("A2-21d", "on_pong fails", "/ws?fail=pong", pong("a"), expects_close=False),
    Case(
        "A2-22",
        "messages received before the peer drops",
        [handshake("/ws?quiet=1"), run("wait 400"), text("a"), text("b"), text("c"), drop()],
    ),
    Case(
        "A2-23",
        "messages after the handler's own close",
        [handshake("/ws?quiet=1"), run("close 1000 bye"), read(answer=False), text("late"), close(1000), read_end()],
    ),
    Case("A2-24a", "the peer closes with a code and a reason", [handshake(), close(4001, "why"), read_end()]),
    Case("A2-24b", "the peer closes with a code", [handshake(), close(3000), read_end()]),
    Case("A2-24c", "the peer closes without a code", [handshake(), close(), read_end()]),
    Case("A2-24d", "the peer answers our close", [handshake(), run("close 3000 bye"), read_end()]),
    Case(
        "A2-24e",
        "the peer answers our close with another code",
        [handshake(), run("close 3000 bye"), read(answer=False), close(4002, "mine"), read_end()],
    ),
    Case("A2-24f", "the peer drops", [handshake(), drop()]),
    Case("A2-24g", "nothing is read after the peer's close", [handshake(), close(1000), text("late"), read_end()]),
    Case("A2-24h", "an empty reason", [handshake("/ws?exact=1"), close(1000), read_end()]),
    Case("A2-25a", "a ping", [handshake(), ping("data"), read()]),
    Case("A2-25b", "an empty ping", [handshake(), ping(), read()]),
    Case("A2-26a", "a pong that nobody asked for", [handshake(), pong("data"), event("on_pong")]),
    Case("A2-26b", "the answer to the handler's ping", [handshake(), run("ping hello"), read(), event("on_pong")]),
    Case("A2-27a", "pings one by one", [handshake(), ping("1"), read(), ping("2"), read()]),
    Case(
        "A2-27c",
        "pings while the pong before cannot leave",
        [
            handshake("/ws"),
            send(
                wire.encode(wire.TEXT, b"!flood 140 100000")
                + b"".join(wire.encode(wire.PING, b"%d" % n) for n in range(1, 6))
            ),
            event("flood"),
            read_pongs(until="5"),
        ],
    ),
    Case(
        "A2-27b",
        "no pong after the handler's own close",
        [
            handshake(),
            run("close 1000 bye"),
            read(answer=False),
            ping("late"),
            event("on_ping"),
            close(1000),
            read_end(),
        ],
    ),
    Case(
        "A2-28",
        "a busy connection lets others in",
        [
            who_is_first(
                busy=wire.encode(wire.TEXT, b"!spin 1") * 600 + wire.encode(wire.TEXT, b"!send done"),
                quick=wire.encode(wire.TEXT, b"me too"),
            ),
        ],
        alone=True,
    ),
]
