"""The part of a handler that answers the handshake: header fields of the 101, or a refusal."""

from http.cookies import Morsel, SimpleCookie
from typing import Any

from whimbrel.errors import HTTPError, phrase


class ResponseMixin:
    """Tornado's functions that write a response. After the handshake they raise RuntimeError, as they do there."""

    _id: int | None
    _status: int
    _headers: list[tuple[str, str]]
    _body: bytes
    _is_finished: bool

    def clear(self) -> None:
        """Forget all that was set."""
        self._status = 200
        self._headers = []
        self._body = b""
        self._is_finished = False
        self.set_default_headers()

    def set_default_headers(self) -> None:
        """Override this to set header fields of every response."""

    def set_status(self, status_code: int, reason: str | None = None) -> None:
        """The status of a refusal: 300 to 599. The words of the reason are the host's."""
        self._before_open()
        self._status = status_code

    def get_status(self) -> int:
        """The status that was set."""
        return self._status

    def set_header(self, name: str, value: Any) -> None:
        """Set a header field of the response, in place of those of the same name."""
        self.clear_header(name)
        self.add_header(name, value)

    def add_header(self, name: str, value: Any) -> None:
        """Add a header field to the response."""
        self._before_open()
        text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        if any(character in text for character in "\r\n\0"):
            raise ValueError(f"header field {name}: a value has no line breaks, but this one is {text!r}")
        self._headers.append((name, text))

    def clear_header(self, name: str) -> None:
        """Remove the header fields of this name."""
        self._before_open()
        self._headers = [field for field in self._headers if field[0].lower() != name.lower()]

    def set_cookie(self, name: str, value: str, domain: str | None = None, path: str = "/", **attributes: Any) -> None:
        """Set a cookie; attributes as in http.cookies: max_age, httponly, secure, samesite, expires."""
        cookie: SimpleCookie = SimpleCookie({name: value})
        morsel: Morsel = cookie[name]
        for attribute, setting in {"domain": domain, "path": path, **attributes}.items():
            if setting is not None and setting is not False:
                morsel[attribute.replace("_", "-")] = setting
        self.add_header("Set-Cookie", morsel.OutputString())

    def clear_cookie(self, name: str, path: str = "/", domain: str | None = None) -> None:
        """Let the client forget a cookie."""
        self.set_cookie(name, "", domain, path, expires="Thu, 01 Jan 1970 00:00:00 GMT")

    def write(self, chunk: str | bytes) -> None:
        """Add to the body of a refusal."""
        self._before_open()
        self._body += chunk.encode() if isinstance(chunk, str) else bytes(chunk)

    def finish(self, chunk: str | bytes | None = None) -> None:
        """Refuse the handshake with what was set and written."""
        self._before_open()
        if chunk is not None:
            self.write(chunk)
        self._is_finished = True

    def redirect(self, url: str, permanent: bool = False, status: int | None = None) -> None:
        """Refuse the handshake with a redirection. Browsers do not follow one for a WebSocket."""
        self.set_status(status if status is not None else 301 if permanent else 302)
        self.set_header("Location", url)
        self.finish()

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Refuse the handshake with an error, whose body is `write_error`'s."""
        self.clear()
        self.set_status(status_code)
        self.set_header("Content-Type", "text/html; charset=UTF-8")
        self.write_error(status_code, **kwargs)
        self._is_finished = True

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Override this to write another body; `exc_info` is in kwargs when an exception is the reason."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        reason = isinstance(error, HTTPError) and error.reason or phrase(status_code)
        title = f"{status_code}: {reason}".replace("&", "&amp;").replace("<", "&lt;")
        self.finish(f"<html><title>{title}</title><body>{title}</body></html>")

    def _before_open(self) -> None:
        if self._id is not None:
            raise RuntimeError("Method not supported for Web Sockets")
