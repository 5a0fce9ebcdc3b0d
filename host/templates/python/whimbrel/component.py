"""The component: the contract's functions, each handed to the handler of its connection."""

import math
import sys

from whimbrel import host, open_handlers
from whimbrel.errors import Finish, HTTPError
from whimbrel.handler import WebSocketHandler
from whimbrel.nesting import guard_json
from whimbrel.request import HTTPServerRequest

if sys.platform == "wasi":
    from componentize_py_types import Err
    from wit_world import exports
    from wit_world.exports import fit, upgrade

    import app  # noqa: F401  whose export() says which class serves

    open_handlers.exported()
    guard_json()
    if hasattr(exports, "Lifecycle"):
        from whimbrel.lifecycle import Lifecycle  # noqa: F401
    # A trap must not take the lines before it along.
    sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    sys.stderr.reconfigure(line_buffering=True, errors="backslashreplace")
else:
    from whimbrel.fake import Err, fit, upgrade

_ORIGIN_REFUSED = "Cross origin websockets not allowed"
# Handshakes that were accepted and have not opened: those whose client has gone meanwhile are forgotten here.
_MOST_PREPARED = 256

_prepared: dict[str, tuple[object, WebSocketHandler]] = {}


class Handler:
    """The export `handler`."""

    def open(self, connection: int, request) -> None:
        handler = None
        try:
            handler = _take_prepared(request) or _prepared_again(request)
            open_handlers.add(handler, connection)
            args, kwargs = handler.request.path_arguments()
            open_handlers.run(handler.open(*args, **kwargs))
        except BaseException as error:
            text = _report(handler, error)
            if handler is not None:
                open_handlers.remove(handler)
            raise Err(text) from None

    def on_message(self, connection: int, message) -> None:
        handler = None
        try:
            handler = open_handlers.of(connection)
            open_handlers.run(handler.on_message(message.value))
        except BaseException as error:
            raise Err(_report(handler, error)) from None

    def on_close(self, connection: int, info) -> None:
        handler = None
        try:
            handler = open_handlers.of(connection)
            handler.close_code = info.code
            # As in Tornado, an empty reason is none.
            handler.close_reason = info.reason or None
            handler.close_cause = info.cause.name.lower().replace("_", "-")
            open_handlers.run(handler.on_close())
        except BaseException as error:
            _report(handler, error)
        finally:
            if handler is not None:
                open_handlers.remove(handler)

    def on_ping(self, connection: int, data: bytes) -> None:
        self._control(connection, "on_ping", data)

    def on_pong(self, connection: int, data: bytes) -> None:
        self._control(connection, "on_pong", data)

    def _control(self, connection: int, function: str, data: bytes) -> None:
        """These have no result to tell a failure with, so the connection is closed here as the host would."""
        handler = None
        try:
            handler = open_handlers.of(connection)
            open_handlers.run(getattr(handler, function)(data))
        except BaseException as error:
            _report(handler, error)
            try:
                host.call(host.connection.close, connection, 1011, "")
            except Exception:
                pass


class Upgrade:
    """The export `upgrade`, in Tornado's order."""

    def upgrade(self, request, origin_allowed: bool):
        handler = None
        try:
            handler = open_handlers.new(HTTPServerRequest(request))
            _decide(handler, origin_allowed)
            if not handler._is_finished:
                acceptance = _acceptance(handler)
                _prepared[_key(request)] = (request, handler)
                if len(_prepared) > _MOST_PREPARED:
                    del _prepared[next(iter(_prepared))]
                return acceptance
        except BaseException as error:
            _report(handler, error)
            refusal = _internal_error() if handler is None else _refusal(handler, error)
        else:
            refusal = _refusal(handler)
        raise Err(refusal)


class Fit:
    """The export `fit`."""

    def scopes(self) -> list:
        return [getattr(fit.Scope, scope.upper()) for scope in open_handlers.exported().scopes]


def _take_prepared(request) -> WebSocketHandler | None:
    """The handler whose `prepare` saw this very request; none when that was in another instance."""
    seen, handler = _prepared.pop(_key(request), (None, None))
    return handler if seen == request else None


def _prepared_again(request) -> WebSocketHandler:
    handler = open_handlers.new(HTTPServerRequest(request))
    open_handlers.run(handler.prepare())
    return handler


def _key(request) -> str:
    return f"{request.peer} {request.path}"


def _decide(handler: WebSocketHandler, origin_allowed: bool) -> None:
    open_handlers.run(handler.prepare())
    origin = handler.request.origin
    if handler._is_finished or origin_allowed or (origin is not None and handler.check_origin(origin)):
        return
    handler.clear()
    handler.set_status(403)
    handler.set_header("Content-Type", "text/plain")
    handler.finish(_ORIGIN_REFUSED)


def _acceptance(handler: WebSocketHandler):
    subprotocol = handler.select_subprotocol(list(handler.request.subprotocols))
    most = handler.max_message_size
    return upgrade.Acceptance(
        subprotocol=None if subprotocol is None else host.text(subprotocol),
        headers=_headers(handler),
        max_message_size=None if most is None else host.number("max_message_size", most, 2**32 - 1),
        ping_interval_ms=_milliseconds("ping_interval", handler.ping_interval),
        ping_timeout_ms=_milliseconds("ping_timeout", handler.ping_timeout),
        compression=None,
    )


def _milliseconds(name: str, seconds: float | None) -> int | None:
    """Rounded up: 0 would turn a short interval off."""
    return None if seconds is None else host.number(name, math.ceil(seconds * 1000), 2**32 - 1)


def _refusal(handler: WebSocketHandler, error: BaseException | None = None):
    try:
        if error is not None and not isinstance(error, Finish):
            status = error.status_code if isinstance(error, HTTPError) else 500
            handler.send_error(status, exc_info=(type(error), error, error.__traceback__))
        if handler._body and not any(name.lower() == "content-type" for name, _ in handler._headers):
            handler.set_header("Content-Type", "text/html; charset=UTF-8")
        status = handler.get_status()
        if not isinstance(status, int) or not 300 <= status <= 599:
            raise ValueError(f"status {status!r}: a handshake is refused with 300 to 599; set_status() says which")
        return upgrade.Refusal(int(status), _headers(handler), handler._body)
    except Exception as failure:
        _report(handler, failure)
        return _internal_error()


def _internal_error():
    return upgrade.Refusal(500, [], b"")


def _headers(handler: WebSocketHandler) -> list[tuple[str, bytes]]:
    return [(host.text(name), text.encode("latin-1", "replace")) for name, text in handler._headers]


def _report(handler: WebSocketHandler | None, error: BaseException) -> str:
    """Log it; returns the line that says what it is."""
    if isinstance(error, Finish):
        return ""
    if isinstance(error, ModuleNotFoundError):
        error.add_note("a component has no files: what it needs is imported when it is built, at the top of app.py")
    log = WebSocketHandler.log_exception if handler is None else type(handler).log_exception
    try:
        log(handler, type(error), error, error.__traceback__)  # type: ignore[arg-type]
    except Exception as failure:
        print(f"log_exception failed: {failure!r}", file=sys.stderr)
    # What follows "Traceback", in its last line.
    name = type(error).__qualname__
    return f"{name}: {error}".encode(errors="backslashreplace").decode() if str(error) else name
