"""The request of the opening handshake, as Tornado shows it."""

from collections.abc import Iterable, Iterator, MutableMapping
from functools import cached_property
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs


class HTTPHeaders(MutableMapping):
    """Header fields: names in any case, several fields of one name joined by a comma."""

    def __init__(self, fields: Iterable[tuple[str, str]] = ()):
        self._fields: dict[str, list[str]] = {}
        for name, value in fields:
            self.add(name, value)

    def add(self, name: str, value: str) -> None:
        """Add a field, beside those of the same name."""
        self._fields.setdefault(_normalized(name), []).append(value)

    def get_list(self, name: str) -> list[str]:
        """The values of all fields of this name."""
        return list(self._fields.get(_normalized(name), ()))

    def get_all(self) -> Iterator[tuple[str, str]]:
        """All fields, one by one."""
        return ((name, value) for name, values in self._fields.items() for value in values)

    def __getitem__(self, name: str) -> str:
        return ",".join(self._fields[_normalized(name)])

    def __setitem__(self, name: str, value: str) -> None:
        self._fields[_normalized(name)] = [value]

    def __delitem__(self, name: str) -> None:
        del self._fields[_normalized(name)]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and _normalized(name) in self._fields

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"HTTPHeaders({list(self.get_all())})"


def _normalized(name: str) -> str:
    return "-".join(word.capitalize() for word in name.split("-"))


class HTTPServerRequest:
    """What the client asked for. `args` are the route's captures in order: pairs of a name, or None, and a value, or None."""

    method = "GET"
    version = "HTTP/1.1"
    body = b""

    def __init__(self, request):
        self.path: str = request.path
        self.query: str = request.query or ""
        self.uri: str = request.path if request.query is None else f"{request.path}?{request.query}"
        self.headers = HTTPHeaders((name, value.decode("latin-1")) for name, value in request.headers)
        self.host: str = request.host
        self.origin: str | None = request.origin
        self.subprotocols: list[str] = list(request.subprotocols)
        self.peer: str = request.peer
        self.protocol = "https" if request.secure else "http"
        self.args: list[tuple[str | None, str | None]] = [(arg.name, arg.value) for arg in request.args]

    @property
    def remote_ip(self) -> str:
        """The peer's address, without the port."""
        return self.peer.rpartition(":")[0].strip("[]")

    @property
    def host_name(self) -> str:
        """The host without its port, in lower case."""
        host, colon, port = self.host.rpartition(":")
        return (host if colon and port.isdigit() else self.host).lower()

    @cached_property
    def query_arguments(self) -> dict[str, list[bytes]]:
        """The query's arguments, percent-decoded."""
        # Latin-1 takes every byte there and back.
        parsed = parse_qs(self.query, keep_blank_values=True, encoding="latin-1")
        return {name: [value.encode("latin-1") for value in values] for name, values in parsed.items()}

    @property
    def arguments(self) -> dict[str, list[bytes]]:
        """The same: a handshake has no body with further ones."""
        return self.query_arguments

    @cached_property
    def cookies(self) -> SimpleCookie:
        """The cookies; empty when they cannot be parsed."""
        cookies: SimpleCookie = SimpleCookie()
        try:
            cookies.load("; ".join(self.headers.get_list("Cookie")))
        except CookieError:
            cookies.clear()
        return cookies

    def full_url(self) -> str:
        """The URL that the client asked for."""
        return f"{self.protocol}://{self.host}{self.uri}"

    def path_arguments(self) -> tuple[list[str | None], dict[str, str | None]]:
        """What `open` gets. As in Tornado: when a capture of the route has a name, those with names only."""
        named = {name: value for name, value in self.args if name is not None}
        return ([], named) if named else ([value for _, value in self.args], {})

    def __repr__(self) -> str:
        return f"HTTPServerRequest(protocol={self.protocol!r}, host={self.host!r}, uri={self.uri!r}, peer={self.peer!r})"
