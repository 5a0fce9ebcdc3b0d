"""The host's functions as Python sees them: checked arguments, exceptions in place of results.

What componentize-py is given must have exactly the contract's types. It answers anything else with a panic, which would
cost all connections of the instance, so everything is checked here.
"""

import json
import sys

from whimbrel.errors import WebSocketBufferFullError, WebSocketClosedError, WebSocketError

if sys.platform == "wasi":
    from componentize_py_types import Err
    from wit_world.imports import connection, topics, types
else:
    # Outside of a component, as in tests, a stand-in plays the host.
    from whimbrel.fake import Err, connection, topics, types


def message(message, binary: bool):
    """The contract's message, made as Tornado makes it: a dict becomes JSON, bytes without `binary` are text."""
    if isinstance(message, dict):
        # As in Tornado: safe inside of a page's script element.
        message = json.dumps(message).replace("</", "<\\/")
    if isinstance(message, (bytearray, memoryview)):
        message = bytes(message)
    if isinstance(message, str):
        return types.Message_Binary(message.encode()) if binary else types.Message_Text(text(message))
    if not isinstance(message, bytes):
        raise TypeError(f"a message is str, bytes or dict, not {type(message).__name__}")
    if binary:
        return types.Message_Binary(message)
    try:
        return types.Message_Text(message.decode())
    except UnicodeDecodeError as error:
        raise ValueError(f"bytes that are not UTF-8 cannot be sent as text ({error}); use binary=True") from None


def text(value: str) -> str:
    """The same text, which a half of a surrogate pair (json.loads makes them) is not."""
    if not isinstance(value, str):
        raise TypeError(f"expected str, not {type(value).__name__}")
    if not value.isascii():
        value.encode()
    return value


def data(value) -> bytes:
    """Bytes; text stands for its UTF-8."""
    if isinstance(value, str):
        return value.encode()
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError(f"expected bytes or str, not {type(value).__name__}")
    return bytes(value)


def number(name: str, value: int, most: int) -> int:
    """A number that the contract's type can hold."""
    if not isinstance(value, int) or not 0 <= value <= most:
        raise ValueError(f"{name} {value!r}: allowed are 0 to {most}")
    return int(value)


def call(function, *arguments):
    """Call the host; what it refuses is raised."""
    try:
        return function(*arguments)
    except Err as error:
        raise exception(error.value) from None


def exception(error) -> Exception:
    """The exception for an error of the contract."""
    match error:
        case types.Error_Closed():
            return WebSocketClosedError("the connection is closed")
        case types.Error_UnknownConnection():
            return WebSocketClosedError("the connection is gone, or another instance's")
        case types.Error_BufferFull(buffered):
            return WebSocketBufferFullError(buffered)
        case types.Error_TooLarge(limit):
            return WebSocketError(f"too large: {limit} bytes are allowed")
        case types.Error_Invalid(what):
            return ValueError(what)
        case types.Error_Denied(what):
            return WebSocketError(f"denied: {what}")
    return WebSocketError(repr(error))
