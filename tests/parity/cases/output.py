"""A3: what the handler may do to its connection."""

from steps import Case, close, drop, event, handshake, read, read_end, read_many, run, text


def closes(name: str, title: str, arguments: str) -> Case:
    """The handler closes, then sends a message, which only gets through when the close was refused."""
    return Case(
        name, title, [handshake(), run(f"close {arguments}", "send still open"), read(), close(1000), read_end()]
    )


CASES = [
    Case("A3-30a", "text and binary", [handshake(), run("send text", "bytes data"), read(2)]),
    Case(
        "A3-30b",
        "many messages in one event keep their order",
        [handshake(), run("send a", "bytes b", "send c"), read(3)],
    ),
    Case("A3-30c", "sent in open", [handshake("/ws?open=send%20a|bytes%20b|ping%20c"), read(3)]),
    Case("A3-30d", "one frame per message, however long", [handshake(), run("send fill:200000"), read()]),
    Case("A3-30e", "sent after close", [handshake(), run("close 1000 bye", "send late", "bytes late"), read_end()]),
    Case(
        "A3-30f",
        "what was sent before close still goes out",
        [handshake(), run("send first", "close 1000 -"), read_end()],
    ),
    Case(
        "A3-31a",
        "a peer that does not read, and a handler that does not wait",
        [handshake(server="settings", path="/ws?interval=0"), run("flood 300 100000"), event("flood"), drop()],
    ),
    Case(
        "A3-31b",
        "a handler that waits for its peer",
        [handshake(), run("stream 100 100000"), read_many(100), event("stream")],
    ),
    Case("A3-32a", "an empty ping", [handshake(), run("ping"), read(), event("on_pong")]),
    Case("A3-32b", "a ping of 125 bytes", [handshake(), run("ping fill:125"), read(), event("on_pong")]),
    Case("A3-32c", "a ping of 126 bytes", [handshake(), run("ping fill:126", "send after"), read()]),
    Case("A3-32d", "a ping after close", [handshake(), run("close 1000 -", "ping late"), read_end()]),
    closes("A3-33a", "no code, no reason", "- -"),
    closes("A3-33b", "a code", "1000 -"),
    closes("A3-33c", "a code and a reason", "4999 bye"),
    closes("A3-33d", "a reason without a code", "- bye"),
    closes("A3-33e", "code 1001", "1001 -"),
    closes("A3-33f", "code 1011", "1011 -"),
    closes("A3-33g", "code 0", "0 -"),
    closes("A3-33h", "code 1005", "1005 -"),
    closes("A3-33i", "code 1006", "1006 -"),
    closes("A3-33j", "code 2999", "2999 -"),
    closes("A3-33k", "code 5000", "5000 -"),
    closes("A3-33l", "code 65536", "65536 -"),
    closes("A3-33m", "a reason of 123 bytes", "1000 fill:123"),
    closes("A3-33n", "a reason of 124 bytes", "1000 fill:124"),
    Case("A3-33o", "closed twice", [handshake(), run("close 1000 -", "close 1001 -"), read_end()]),
    Case(
        "A3-33p", "a peer that does not answer", [handshake(), run("close 1000 bye"), read_end(answer=False, about=5)]
    ),
    Case("A3-33q", "the peer's close is answered with its code", [handshake(), close(4001, "why"), read_end()]),
    Case("A3-33r", "closed in open", [handshake("/ws?open=close%204000%20bye"), read_end()]),
    Case("A3-34", "TCP_NODELAY on and off", [handshake(), run("nodelay on", "nodelay off"), text("a"), read()]),
    Case("A3-35", "errors say why", [handshake(), run("ping fill:126", "close 1000 -", "send late"), read_end()]),
]
