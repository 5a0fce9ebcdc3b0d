"""Write a WebSocket handler for Whimbrel as one is written for Tornado.

    from whimbrel import WebSocketHandler, export

    class Echo(WebSocketHandler):
        def on_message(self, message):
            self.write_message(message, binary=isinstance(message, bytes))

    export(Echo)

This package is copied into the project that uses it: read it, and change it where you need to. `whimbrel.testing` tests
handlers without a host.
"""

from whimbrel.errors import (
    Finish,
    HTTPError,
    MissingArgumentError,
    WebSocketBufferFullError,
    WebSocketClosedError,
    WebSocketError,
)
from whimbrel.handler import WebSocketHandler
from whimbrel.open_handlers import connections, export, publish, send_many
from whimbrel.request import HTTPHeaders, HTTPServerRequest

__all__ = [
    "Finish",
    "HTTPError",
    "HTTPHeaders",
    "HTTPServerRequest",
    "MissingArgumentError",
    "WebSocketBufferFullError",
    "WebSocketClosedError",
    "WebSocketError",
    "WebSocketHandler",
    "connections",
    "export",
    "publish",
    "send_many",
]
