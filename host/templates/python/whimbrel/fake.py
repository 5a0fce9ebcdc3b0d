"""A stand-in for the host, for tests: the contract's types and functions, and what has been done with them."""

from dataclasses import dataclass, field
from enum import Enum
from types import SimpleNamespace
from typing import Any


@dataclass(frozen=True)
class Err(Exception):
    value: Any


@dataclass
class Message_Text:
    value: str


@dataclass
class Message_Binary:
    value: bytes


@dataclass
class Arg:
    name: str | None
    value: str | None


@dataclass
class Request:
    path: str
    query: str | None
    args: list[Arg]
    headers: list[tuple[str, bytes]]
    host: str
    origin: str | None
    subprotocols: list[str]
    peer: str
    secure: bool


@dataclass
class CloseInfo:
    code: int | None
    reason: str | None
    cause: "CloseCause"


@dataclass
class Acceptance:
    subprotocol: str | None
    headers: list[tuple[str, bytes]]
    max_message_size: int | None
    ping_interval_ms: int | None
    ping_timeout_ms: int | None
    compression: None


@dataclass
class Refusal:
    status: int
    headers: list[tuple[str, bytes]]
    body: bytes


@dataclass
class Error_Closed:
    pass


@dataclass
class Error_UnknownConnection:
    pass


@dataclass
class Error_TooLarge:
    value: int


@dataclass
class Error_BufferFull:
    value: int


@dataclass
class Error_Invalid:
    value: str


@dataclass
class Error_Denied:
    value: str


CloseCause = Enum("CloseCause", "PEER GUEST NETWORK PING_TIMEOUT PROTOCOL_ERROR INVALID_TEXT MESSAGE_TOO_BIG RATE_LIMITED "
                  "SLOW_CONSUMER GUEST_ERROR DRAINED")
Scope = Enum("Scope", "CONNECTION ROOM SHARED EVENT")


@dataclass
class Peer:
    """What reached the peer of a connection."""

    subprotocol: str | None = None
    received: list[str | bytes] = field(default_factory=list)
    pings: list[bytes] = field(default_factory=list)
    closed: tuple[int | None, str] | None = None
    topics: set[str] = field(default_factory=set)
    attachment: bytes = b""
    has_ended: bool = False
    nodelay: bool = True


peers: dict[int, Peer] = {}


def _peer(id: int) -> Peer:
    peer = peers.get(id)
    if peer is None:
        raise Err(Error_UnknownConnection())
    return peer


def _open(id: int) -> Peer:
    peer = _peer(id)
    if peer.closed is not None or peer.has_ended:
        raise Err(Error_Closed())
    return peer


class connection:
    """The import `connection`."""

    @staticmethod
    def send(id: int, message) -> int:
        _open(id).received.append(message.value)
        return 0

    @staticmethod
    def send_many(ids: list[int], message) -> int:
        open_ones = [peers[id] for id in ids if id in peers and peers[id].closed is None]
        for peer in open_ones:
            peer.received.append(message.value)
        return len(open_ones)

    @staticmethod
    def drained(id: int, low_water: int) -> None:
        _open(id)

    @staticmethod
    def ping(id: int, data: bytes) -> None:
        _open(id).pings.append(data)

    @staticmethod
    def close(id: int, code: int | None, reason: str) -> None:
        peer = _open(id)
        if code is not None and not (code in (1000, 1001, 1002, 1003) or 1007 <= code <= 1014 or 3000 <= code <= 4999):
            raise Err(Error_Invalid(f"code {code}: allowed are 1000 to 1003, 1007 to 1014, 3000 to 4999"))
        if len(reason.encode()) > 123:
            raise Err(Error_Invalid("reason: at most 123 bytes"))
        peer.closed = (code, reason)

    @staticmethod
    def set_nodelay(id: int, on: bool) -> None:
        _open(id).nodelay = on

    @staticmethod
    def inspect(id: int):
        peer = _peer(id)
        is_open = peer.closed is None and not peer.has_ended
        return SimpleNamespace(subprotocol=peer.subprotocol, open=is_open, buffered=0, round_trip_us=None,
                               messages_in=0, messages_out=len(peer.received))

    @staticmethod
    def connections() -> list[int]:
        return sorted(peers)

    @staticmethod
    def attach(id: int, data: bytes) -> None:
        if len(data) > 16384:
            raise Err(Error_TooLarge(16384))
        _open(id).attachment = data

    @staticmethod
    def attachment(id: int) -> bytes:
        return _peer(id).attachment


class topics:
    """The import `topics`."""

    @staticmethod
    def subscribe(id: int, topic: str) -> None:
        _open(id).topics.add(topic)

    @staticmethod
    def unsubscribe(id: int, topic: str) -> None:
        _open(id).topics.discard(topic)

    @staticmethod
    def publish(topic: str, message, exclude: list[int]) -> int:
        ids = [id for id, peer in peers.items() if topic in peer.topics and id not in exclude]
        return connection.send_many(ids, message)


types = SimpleNamespace(
    Message_Text=Message_Text, Message_Binary=Message_Binary, Error_Closed=Error_Closed,
    Error_UnknownConnection=Error_UnknownConnection, Error_TooLarge=Error_TooLarge, Error_BufferFull=Error_BufferFull,
    Error_Invalid=Error_Invalid, Error_Denied=Error_Denied,
)
upgrade = SimpleNamespace(Acceptance=Acceptance, Refusal=Refusal)
fit = SimpleNamespace(Scope=Scope)
