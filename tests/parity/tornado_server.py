"""The reference: a Tornado server whose handler does what tests/guests/examples/parity.rs does, command by command.

Prints `plain=PORT settings=PORT` when it listens, and ends when its standard input does.
"""

import asyncio
import collections
import contextlib
import json
import sys
import time
import urllib.parse

import tornado.httpserver
import tornado.netutil
import tornado.web
import tornado.websocket

TRUSTED = ["https://trusted.example", "https://*.wild.example"]
OBSERVERS: dict[str, set["Observe"]] = collections.defaultdict(set)


class Observe(tornado.websocket.WebSocketHandler):
    """Is told the events of all connections with the same tag."""

    tag: str

    def check_origin(self, origin: str) -> bool:
        return True

    async def open(self) -> None:
        self.tag = self.get_query_argument("tag")
        OBSERVERS[self.tag].add(self)
        await self.write_message("watching")

    def on_message(self, message: str | bytes) -> None:
        pass

    def on_close(self) -> None:
        OBSERVERS[self.tag].discard(self)


class Parity(tornado.websocket.WebSocketHandler):
    """Reports what happens to it and carries out the commands in the messages that start with `!`."""

    def initialize(self, greeting: str) -> None:
        self.greeting = greeting

    def set_default_headers(self) -> None:
        self.set_header("X-Parity", "yes")

    def prepare(self) -> None:
        self.event("prepare")
        if cookie := self.steer("cookie"):
            self.set_cookie("session", cookie)
        if self.steer("refuse") == "302":
            self.redirect("/elsewhere")
        elif refuse := self.steer("refuse"):
            raise tornado.web.HTTPError(int(refuse))
        if self.steer("fail") == "prepare":
            raise RuntimeError("as told")

    def check_origin(self, origin: str) -> bool:
        if super().check_origin(origin):
            return True
        self.event(f"check_origin {origin}")
        return self.steer("origin") == "allow"

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        self.event(f"select_subprotocol {','.join(subprotocols)}")
        return self.steer("subprotocol") or None

    def get_compression_options(self) -> dict | None:
        return {} if self.steer("compression") else None

    @property
    def max_message_size(self) -> int:
        return int(self.steer("max") or super().max_message_size)

    @property
    def ping_interval(self) -> float | None:
        return int(milliseconds) / 1000 if (milliseconds := self.steer("interval")) else super().ping_interval

    @property
    def ping_timeout(self) -> float | None:
        return int(milliseconds) / 1000 if (milliseconds := self.steer("timeout")) else super().ping_timeout

    async def open(self, *args: str | None, **kwargs: str | None) -> None:
        named = [f"{name}={show(value)}" for name, value in kwargs.items()]
        self.event(" ".join(["open", *map(show, args), *named]))
        await self.run(self.steer("open"))

    async def on_message(self, message: str | bytes) -> None:
        if isinstance(message, str) and message.startswith("!"):
            await self.run(message[1:])
            return
        self.event(f"on_message {describe(message)}")
        if not self.steer("quiet"):
            await self.write_message(message, binary=isinstance(message, bytes))

    def on_ping(self, data: bytes) -> None:
        self.event(f"on_ping {data.decode()}")
        if self.steer("fail") == "ping":
            raise RuntimeError("as told")

    def on_pong(self, data: bytes) -> None:
        self.event(f"on_pong {data.decode()}")
        if self.steer("fail") == "pong":
            raise RuntimeError("as told")

    def on_close(self) -> None:
        self.event(f"on_close {show(self.close_code)} {show(self.close_reason)}")

    async def run(self, script: str) -> None:
        for command in filter(None, script.split("|")):
            verb, _, rest = command.partition(" ")
            if verb == "fail":
                raise RuntimeError("as told")
            try:
                await self.do(verb, rest)
                outcome = "ok"
            except tornado.websocket.WebSocketClosedError:
                outcome = "closed"
            except Exception:  # ValueError, struct.error, whatever a bad argument leads to
                outcome = "invalid"
            if verb != "spin":
                self.event(f"{verb} {outcome}")

    async def do(self, verb: str, rest: str) -> None:
        first, _, second = rest.partition(" ")
        match verb:
            case "send":
                await self.write_message(filled(rest))
            case "bytes":
                await self.write_message(filled(rest).encode(), binary=True)
            case "ping":
                self.ping(filled(rest).encode())
            case "close":
                self.close(None if first == "-" else int(first), None if second == "-" else filled(second))
            case "nodelay":
                self.set_nodelay(first == "on")
            case "wait":
                await asyncio.sleep(int(first) / 1000)
            case "spin":
                until = time.monotonic() + int(first) / 1000
                while time.monotonic() < until:
                    pass
            case "flood":  # nothing waits for the peer
                for _ in range(int(first)):
                    self.write_message("x" * int(second))
            case "stream":  # each message waits for the peer
                for _ in range(int(first)):
                    await self.write_message("x" * int(second))
            case "request":
                await self.write_message(self.describe_request())
            case "subprotocol":
                await self.write_message(show(self.selected_subprotocol))
            case "greeting":
                await self.write_message(self.greeting)

    def describe_request(self) -> str:
        request = self.request
        return "\n".join(
            [
                f"path {request.path}",
                f"query {request.query}",
                f"host {request.host}",
                f"origin {show(request.headers.get('Origin'))}",
                f"x-test {','.join(request.headers.get_list('X-Test'))}",
                f"cookie {show(request.headers.get('Cookie'))}",
                f"peer {request.remote_ip}",
                f"secure {json.dumps(request.protocol == 'https')}",
            ]
        )

    def steer(self, name: str) -> str:
        """What the client asks of the handler, in the query."""
        return self.get_query_argument(name, "", strip=False)

    def event(self, text: str) -> None:
        for observer in list(OBSERVERS[self.steer("tag")]):
            with contextlib.suppress(tornado.websocket.WebSocketClosedError):
                observer.write_message(text)


def show(value: object) -> str:
    return "none" if value is None else urllib.parse.quote(str(value), safe="")


def filled(text: str) -> str:
    """`fill:N` stands for N times `x`."""
    return "x" * int(text[5:]) if text.startswith("fill:") else text


def describe(message: str | bytes) -> str:
    kind = "text" if isinstance(message, str) else "binary"
    data = message.encode() if isinstance(message, str) else message
    return f"{kind} {data.hex()}" if len(data) <= 32 else f"{kind} of {len(data)}"


def application(**settings: object) -> tornado.web.Application:
    greeting = {"greeting": "hello"}
    return tornado.web.Application(
        [
            (r"/observe", Observe),
            (r"/ws", Parity, greeting),
            (r"/args/([^/]+)(?:/(.*))?", Parity, greeting),
            (r"/named/(?P<room>[^/]+)(?:/(?P<rest>.*))?", Parity, greeting),
        ],
        trusted_origins=TRUSTED,
        **settings,
    )


def listen(app: tornado.web.Application) -> int:
    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
    tornado.httpserver.HTTPServer(app).add_sockets(sockets)
    return sockets[0].getsockname()[1]


async def main() -> None:
    plain = listen(application())
    settings = listen(
        application(websocket_max_message_size=1000, websocket_ping_interval=0.5, websocket_ping_timeout=0.3)
    )
    print(f"plain={plain} settings={settings}", flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
