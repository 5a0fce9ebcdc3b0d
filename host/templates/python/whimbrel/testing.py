"""Tests a handler without a host: a client whose peer is the handler itself.

    client = connect(Echo, "/echo")
    client.send("hello")
    assert client.received == ["hello"]
"""

from whimbrel import component, fake, open_handlers
from whimbrel.handler import WebSocketHandler

_next = {"id": 1}
_handler = component.Handler()


class Refused(Exception):
    """The handshake was refused."""

    def __init__(self, refusal: fake.Refusal):
        super().__init__(f"refused with {refusal.status}")
        self.status = refusal.status
        self.headers = {name.lower(): value.decode("latin-1") for name, value in refusal.headers}
        self.body = refusal.body


class Failed(Exception):
    """A function of the handler raised: the host would have closed the connection with 1011."""


class Client:
    """One connection, from `connect`."""

    def __init__(self, id: int, acceptance: fake.Acceptance):
        self._id = id
        self._peer = fake.peers[id]
        #: Header fields of the response.
        self.headers = {name.lower(): value.decode("latin-1") for name, value in acceptance.headers}
        self.subprotocol = acceptance.subprotocol

    @property
    def received(self) -> list[str | bytes]:
        """The messages from the handler."""
        return self._peer.received

    @property
    def pings(self) -> list[bytes]:
        """The pings from the handler."""
        return self._peer.pings

    @property
    def closed(self) -> tuple[int | None, str] | None:
        """Code and reason with which the handler has closed, or None."""
        return self._peer.closed

    @property
    def handler(self) -> WebSocketHandler:
        """The handler's object."""
        return open_handlers.of(self._id)

    def send(self, message: str | bytes) -> None:
        """Send a message, and wait for the handler."""
        kind = fake.Message_Text if isinstance(message, str) else fake.Message_Binary
        _call(_handler.on_message, self._id, kind(message))

    def ping(self, data: bytes = b"") -> None:
        """Send a ping."""
        _handler.on_ping(self._id, data)

    def pong(self, data: bytes = b"") -> None:
        """Send a pong."""
        _handler.on_pong(self._id, data)

    def close(self, code: int | None = 1000, reason: str = "", cause: str = "peer") -> None:
        """End the connection; code None for one that is lost."""
        self._peer.has_ended = True
        cause = fake.CloseCause[cause.upper().replace("-", "_")]
        _handler.on_close(self._id, fake.CloseInfo(code, None if code is None else reason, cause))
        del fake.peers[self._id]


def connect(
    handler: type[WebSocketHandler],
    path: str = "/",
    *args: str | None,
    headers: dict[str, str] | None = None,
    subprotocols: tuple[str, ...] = (),
    origin: str | None = None,
    origin_allowed: bool = True,
    initialize: dict | None = None,
    **kwargs: str | None,
) -> Client:
    """Open a connection: args and kwargs are what the route captures. Raises Refused or Failed."""
    open_handlers.export(handler, initialize)
    id, _next["id"] = _next["id"], _next["id"] + 1
    path, question, query = path.partition("?")
    captures = [fake.Arg(None, value) for value in args] + [fake.Arg(name, value) for name, value in kwargs.items()]
    fields = [(name.lower(), value.encode("latin-1")) for name, value in (headers or {}).items()]
    request = fake.Request(path, query if question else None, captures, fields, "127.0.0.1:8080", origin,
                           list(subprotocols), f"127.0.0.1:{40000 + id}", False)
    try:
        acceptance = component.Upgrade().upgrade(request, origin_allowed)
    except fake.Err as error:
        raise Refused(error.value) from None
    fake.peers[id] = fake.Peer(subprotocol=acceptance.subprotocol)
    try:
        _call(_handler.open, id, request)
    except Failed:
        del fake.peers[id]
        raise
    return Client(id, acceptance)


def _call(function, *arguments) -> None:
    try:
        function(*arguments)
    except fake.Err as error:
        raise Failed(error.value) from None
