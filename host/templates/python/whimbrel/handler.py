"""The class to derive from."""

import re
import sys
import traceback
from collections.abc import Generator
from typing import Any

from whimbrel import host
from whimbrel.errors import HTTPError, MissingArgumentError, WebSocketClosedError
from whimbrel.request import HTTPServerRequest
from whimbrel.response import ResponseMixin

_REQUIRED: Any = object()
_LONGEST_CONTROL = 125


class Queued:
    """What `write_message` returns. To await it costs nothing: the message is queued already."""

    def __await__(self) -> Generator[None, None, None]:
        return
        yield


_QUEUED = Queued()


class WebSocketHandler(ResponseMixin):
    """One object of it per connection: what it holds is the state of that connection.

    Every function below that the host calls may be `async def`. What it raises is logged and closes the connection with
    1011.
    """

    #: Under which of the manifest's scopes the handler works; a manifest with another is refused. A handler that keeps
    #: anything in its attributes does not work under "event", unless its `resume` finds it again.
    scopes: tuple[str, ...] = ("connection", "room", "shared", "event")

    #: Settings of this connection, as class attributes or properties; None: as the manifest says. Seconds; 0 is off.
    ping_interval: float | None = None
    ping_timeout: float | None = None
    #: Bytes.
    max_message_size: int | None = None

    #: From the peer's close frame, for `on_close`; None when there was none, or when it had none.
    close_code: int | None = None
    close_reason: str | None = None
    #: Why the connection ended: "peer", "guest", "network", "ping-timeout", ... as in the contract's `close-cause`.
    close_cause: str | None = None

    _id: int | None = None
    _request: HTTPServerRequest | None = None

    def __init__(self, request: HTTPServerRequest, **kwargs):
        self._request = request
        self.clear()
        self.initialize(**kwargs)

    # What a handler overrides.

    def initialize(self, **kwargs) -> None:
        """The first call. Gets what `export` was given."""
        if kwargs:
            raise TypeError(f"{type(self).__name__} has no initialize() that takes {', '.join(kwargs)}")

    def prepare(self) -> Any:
        """The first look at a request, whatever its origin. Raise HTTPError, or call finish() or redirect(), to refuse."""

    def check_origin(self, origin: str) -> bool:
        """Whether pages of this origin may connect; asked only when the manifest's `trusted_origins` do not allow it."""
        return False

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """Choose one of those that the client offers, or None. Called once, also when none is offered."""
        return None

    def open(self, *args: str | None, **kwargs: str | None) -> Any:
        """The connection is established. Gets the route's captures: as keywords if they have names."""

    def on_message(self, message: str | bytes) -> Any:
        """A complete message: str for text, bytes for binary."""
        raise NotImplementedError(f"{type(self).__name__} has no on_message()")

    def on_close(self) -> Any:
        """The connection has ended. Called once, after the last message, if `open` went well."""

    def on_ping(self, data: bytes) -> Any:
        """A ping came; the pong has been queued already."""

    def on_pong(self, data: bytes) -> Any:
        """A pong came."""

    def resume(self) -> Any:
        """In place of `open`, when another instance has opened the connection: `attachment()` has what it left."""

    def log_exception(self, typ, value, tb) -> None:
        """Log what a function has raised."""
        if isinstance(value, HTTPError) and value.status_code < 500:
            print(value, file=sys.stderr)
            return
        inner = tb
        while inner is not None and inner.tb_frame.f_globals.get("__package__") in (__package__, "asyncio"):
            inner = inner.tb_next
        # Where the handler's own code begins, if any of it ran.
        tb = inner or tb
        for part in traceback.format_exception(typ, value, tb):
            # Where the sources were mounted when the component was built.
            print(re.sub(r'^(  File ")/\d+/', r"\1", part), end="", file=sys.stderr)

    @classmethod
    def snapshot(cls) -> Any:
        """What the successor of this instance needs beside its open handlers, such as variables of the class or module.

        Only asked for if wit/guest.wit exports `lifecycle`. It is pickled together with the handlers.
        """
        return None

    @classmethod
    def restore(cls, state: Any) -> None:
        """Take over what `snapshot` returned in the instance before this one."""

    # What a handler calls.

    def write_message(self, message: str | bytes | dict, binary: bool = False) -> Queued:
        """Queue a message: text, a dict as JSON, or bytes with binary=True.

        Raises WebSocketClosedError, and WebSocketBufferFullError when too much waits for the peer.
        """
        host.call(host.connection.send, self._connected(), host.message(message, binary))
        return _QUEUED

    def ping(self, data: str | bytes = b"") -> None:
        """Queue a ping with at most 125 bytes."""
        data = host.data(data)
        if len(data) > _LONGEST_CONTROL:
            raise ValueError(f"a ping of {len(data)} bytes: at most {_LONGEST_CONTROL} are allowed")
        host.call(host.connection.ping, self._connected(), data)

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Start the closing handshake; does nothing when it has begun already."""
        if code is None and reason is not None:
            code = 1000
        if code is not None:
            host.number("close code", code, 65535)
        try:
            host.call(host.connection.close, self._connected(), code, host.text(reason or ""))
        except WebSocketClosedError:
            pass

    def drained(self, low_water: int = 0) -> None:
        """Wait until at most so many bytes wait for the peer. All connections of the instance wait with it."""
        host.call(host.connection.drained, self._connected(), host.number("low_water", low_water, 2**32 - 1))

    def set_nodelay(self, value: bool) -> None:
        """Switch TCP_NODELAY, which is on."""
        host.call(host.connection.set_nodelay, self._connected(), bool(value))

    def subscribe(self, topic: str) -> None:
        """Deliver to this peer what is published under a topic, by any instance of the deployment."""
        host.call(host.topics.subscribe, self._connected(), host.text(topic))

    def unsubscribe(self, topic: str) -> None:
        """Stop that."""
        host.call(host.topics.unsubscribe, self._connected(), host.text(topic))

    def attach(self, data: str | bytes) -> None:
        """Keep at most 16 KiB with the connection, in the host, whatever happens to the instance."""
        host.call(host.connection.attach, self._connected(), host.data(data))

    def attachment(self) -> bytes:
        """What was attached; empty when nothing was."""
        return host.call(host.connection.attachment, self._connected())

    # What a handler asks.

    @property
    def request(self) -> HTTPServerRequest:
        """The request of the opening handshake."""
        if self._request is None:
            raise RuntimeError("the request is known in the instance that opened the connection only; attach() what is needed of it")
        return self._request

    @property
    def id(self) -> int | None:
        """The connection's number, as in the host's log; None during the handshake."""
        return self._id

    @property
    def ws_connection(self) -> "WebSocketHandler | None":
        """None once nothing can be sent any more, or before anything can."""
        return self if self._id is not None and self._is_open() else None

    @property
    def selected_subprotocol(self) -> str | None:
        """What `select_subprotocol` returned."""
        return self._info().subprotocol

    @property
    def buffered(self) -> int:
        """Bytes that wait for the peer."""
        return self._info().buffered

    @property
    def path_args(self) -> list[str | None]:
        """What `open` gets as arguments."""
        return self.request.path_arguments()[0]

    @property
    def path_kwargs(self) -> dict[str, str | None]:
        """What `open` gets as keywords."""
        return self.request.path_arguments()[1]

    @property
    def current_user(self) -> Any:
        """What `get_current_user` returns, asked once; may be set."""
        if not hasattr(self, "_current_user"):
            self._current_user = self.get_current_user()
        return self._current_user

    @current_user.setter
    def current_user(self, user: Any) -> None:
        self._current_user = user

    def get_current_user(self) -> Any:
        """Who is connected, by a cookie for example."""
        return None

    def get_argument(self, name: str, default: Any = _REQUIRED, strip: bool = True) -> Any:
        """The last value of one of the query's arguments; without it the default, or MissingArgumentError."""
        values = self.get_arguments(name, strip)
        if values:
            return values[-1]
        if default is _REQUIRED:
            raise MissingArgumentError(name)
        return default

    def get_arguments(self, name: str, strip: bool = True) -> list[str]:
        """All values of one of the query's arguments."""
        return [self._decoded(name, value, strip) for value in self.request.arguments.get(name, ())]

    # A handshake has no other arguments.
    get_query_argument = get_argument
    get_query_arguments = get_arguments

    def get_cookie(self, name: str, default: str | None = None) -> str | None:
        """A cookie's value."""
        cookie = self.request.cookies.get(name)
        return default if cookie is None else cookie.value

    @staticmethod
    def _decoded(name: str, value: bytes, strip: bool) -> str:
        try:
            text = re.sub(r"[\x00-\x08\x0e-\x1f]", " ", value.decode())
        except UnicodeDecodeError:
            raise HTTPError(400, f"Invalid unicode in {name}") from None
        return text.strip() if strip else text

    def _connected(self) -> int:
        if self._id is None:
            raise WebSocketClosedError("there is no connection: before open(), or after on_close()")
        return self._id

    def _info(self):
        return host.call(host.connection.inspect, self._connected())

    def _is_open(self) -> bool:
        try:
            return self._info().open
        except WebSocketClosedError:
            return False
