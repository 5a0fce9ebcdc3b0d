"""The exceptions, under Tornado's names where Tornado has them."""

from http import HTTPStatus


class WebSocketError(Exception):
    """The host refused a call; nothing was queued or changed."""


class WebSocketClosedError(WebSocketError):
    """The connection is closing or closed."""


class WebSocketBufferFullError(WebSocketError):
    """The peer reads too slowly: so much waits for it that the message was not queued."""

    def __init__(self, buffered: int):
        super().__init__(
            f"{buffered} bytes already wait for the peer, which reads too slowly; limits.outbound in the manifest says "
            "how many may, drained() waits until fewer do"
        )
        self.buffered = buffered


class HTTPError(Exception):
    """Raised in `prepare`: refuse the handshake with this status."""

    def __init__(self, status_code: int = 500, log_message: str | None = None, *args, reason: str | None = None):
        super().__init__(status_code, log_message, *args)
        self.status_code = status_code
        self.log_message = log_message
        self.args = args
        self.reason = reason

    def __str__(self) -> str:
        text = f"HTTP {self.status_code}: {self.reason or phrase(self.status_code)}"
        if self.log_message:
            text += f" ({self.log_message % self.args if self.args else self.log_message})"
        return text


class MissingArgumentError(HTTPError):
    """The query does not have an argument that the handler asked for."""

    def __init__(self, arg_name: str):
        super().__init__(400, f"Missing argument {arg_name}")
        self.arg_name = arg_name


class Finish(Exception):
    """Raised in `prepare`: refuse the handshake with the status and body that were set."""


def phrase(status: int) -> str:
    """The standard words for a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
