"""Which class serves, and the handlers of the connections that are open in this instance."""

import inspect
import linecache
import sys
from collections.abc import Iterable
from typing import Any

from whimbrel import host
from whimbrel.handler import Queued, WebSocketHandler
from whimbrel.request import HTTPServerRequest

_CALLED = ("prepare", "open", "on_message", "on_close", "on_ping", "on_pong", "resume")

_class: type[WebSocketHandler] | None = None
_kwargs: dict[str, Any] = {}
_open: dict[int, WebSocketHandler] = {}
_run: Any = None


def export(handler: type[WebSocketHandler], kwargs: dict[str, Any] | None = None) -> None:
    """Let this class serve all connections. Its `initialize` gets kwargs."""
    global _class, _kwargs, _run
    if not (isinstance(handler, type) and issubclass(handler, WebSocketHandler)):
        raise TypeError(f"export() takes a class derived from WebSocketHandler, not {handler!r}")
    _class, _kwargs = handler, dict(kwargs or {})
    is_async = any(inspect.iscoroutinefunction(getattr(handler, name)) for name in _CALLED)
    # Nothing can be imported once the component is built, and asyncio is large.
    if is_async or "asyncio" in sys.modules:
        from whimbrel.loop import run

        _run = run
    _keep_source(sys.modules[handler.__module__])


def exported() -> type[WebSocketHandler]:
    """The class that serves."""
    if _class is None:
        raise RuntimeError("app.py does not say which class serves: end it with export(YourHandler)")
    return _class


def connections() -> list[WebSocketHandler]:
    """The handlers of all connections of this instance: of all that are in the room, under the scope "room"."""
    return [of(id) for id in host.connection.connections()]


def publish(
    topic: str,
    message: str | bytes | dict,
    binary: bool = False,
    exclude: WebSocketHandler | Iterable[WebSocketHandler] = (),
) -> int:
    """Send to all subscribers of a topic, but those excluded; returns how many there are on this host."""
    excluded = [exclude] if isinstance(exclude, WebSocketHandler) else exclude
    ids = [handler.id for handler in excluded if handler.id is not None]
    return host.call(host.topics.publish, host.text(topic), host.message(message, binary), ids)


def send_many(handlers: Iterable[WebSocketHandler], message: str | bytes | dict, binary: bool = False) -> int:
    """Send one message to many connections of this instance; returns how many queues took it."""
    ids = [handler.id for handler in handlers if handler.id is not None]
    return host.connection.send_many(ids, host.message(message, binary))


def new(request: HTTPServerRequest) -> WebSocketHandler:
    """The handler of a handshake."""
    return exported()(request, **_kwargs)


def of(id: int) -> WebSocketHandler:
    """The handler of a connection; a new one when another instance has opened it."""
    handler = _open.get(id)
    if handler is None:
        handler = exported().__new__(exported())
        handler.clear()
        handler.initialize(**_kwargs)
        add(handler, id)
        run(handler.resume())
    return handler


def add(handler: WebSocketHandler, id: int) -> None:
    """The handler has a connection now."""
    handler._id = id
    _open[id] = handler


def remove(handler: WebSocketHandler) -> None:
    """The handler has none any more."""
    _open.pop(handler._id or 0, None)
    handler._id = None


def all_open() -> dict[int, WebSocketHandler]:
    """By the numbers of their connections."""
    return dict(_open)


def run(result: Any) -> None:
    """Finish what a handler's function returned."""
    if result is None or isinstance(result, Queued) or not inspect.isawaitable(result):
        return
    if _run is not None:
        _run(result)
        return
    try:
        next(iter(result.__await__()))
    except StopIteration:
        return
    raise TypeError("a function waits for something: declare it with `async def`, or import asyncio in app.py")


def _keep_source(module: Any) -> None:
    """Keep a module's source for tracebacks: a component has no files to read it from."""
    path = getattr(module, "__file__", None)
    lines = linecache.getlines(path) if path else []
    if lines:
        # Without a time, so that nobody looks for a file that has changed.
        linecache.cache[path] = (sum(map(len, lines)), None, lines, path)

