"""The raw client of one case: it sends what it is told, and writes down what comes back."""

import asyncio
import contextlib
import itertools
import socket
import urllib.parse

import wire

DEADLINE = 10.0
# How long nothing has to be heard for nothing more to come, in seconds.
SILENCE = 0.3
SHOWN_HEADERS = (
    "sec-websocket-protocol",
    "sec-websocket-extensions",
    "sec-websocket-version",
    "location",
    "set-cookie",
)
# Headers of which only the presence is compared.
VARYING = ("date", "server")
Headers = dict[str, str | list[str] | None]
UPGRADE: Headers = {
    "Host": "parity.localhost",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": wire.KEY,
    "Sec-WebSocket-Version": "13",
}


class Client:
    """A connection to one server. Every wait has a deadline, whose passing is written down too."""

    def __init__(self, addresses: dict[str, str], tag: str) -> None:
        self.addresses = addresses
        self.tag = tag
        self.transcript: list[str] = []
        self.is_open = False
        self.is_refused = False
        self.ends: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.watching: asyncio.Task[None] | None = None
        self.arriving: asyncio.Queue[str] = asyncio.Queue()
        self.events: list[str] = []
        self.folds_events = False

    @property
    def reader(self) -> asyncio.StreamReader:
        return self.ends[-1][0]

    @property
    def writer(self) -> asyncio.StreamWriter:
        return self.ends[-1][1]

    def note(self, line: str) -> None:
        self.transcript.append(line)

    async def handshake(
        self,
        path: str,
        headers: Headers | None = None,
        *,
        server: str = "plain",
        method: str = "GET",
        version: str = "HTTP/1.1",
        show: tuple[str, ...] = (),
        show_body: bool = False,
        after: bytes = b"",
    ) -> None:
        """Send an opening handshake with some headers replaced, or removed by None, and note the answer."""
        address = self.addresses[server]
        await self.watch(address)
        await self.connect(address)
        target = with_query(path, "tag", self.tag)
        sent = UPGRADE | (headers or {})
        self.writer.write(request_bytes(f"{method} {target} {version}", sent) + after)
        async with deadline(self, "response"):
            await self.note_response((*SHOWN_HEADERS, *show), show_body, str(sent["Sec-WebSocket-Key"]))

    async def connect(self, address: str) -> None:
        host, _, port = address.partition(":")
        raw = socket.socket()
        # Small, so that a server soon notices a client that does not read.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        raw.setblocking(False)
        await asyncio.get_running_loop().sock_connect(raw, (host, int(port)))
        self.ends.append(await asyncio.open_connection(sock=raw, limit=64 * 1024))

    async def note_response(self, shown: tuple[str, ...], show_body: bool, key: str) -> None:
        try:
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except (asyncio.IncompleteReadError, ConnectionError):
            self.is_refused = True
            self.note("response none")
            return
        first, *lines = head.strip().split("\r\n")
        status = first.split(" ")[1]
        fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        self.note(f"response {status}")
        if status == "101":
            answers = dict(fields)
            upgraded = answers.get("upgrade", "").lower(), answers.get("connection", "").lower()
            right = upgraded == ("websocket", "upgrade") and answers.get("sec-websocket-accept") == wire.accept_value(
                key
            )
            self.note(f"  upgrade {'right' if right else 'wrong'}")
        for name, value in sorted(fields):
            if name in shown:
                self.note(f"  {name}: {'some' if name in VARYING else value}")
        self.is_open = status == "101"
        self.is_refused = not self.is_open
        if self.is_refused and show_body:
            length = int(dict(fields).get("content-length", "0"))
            self.note(f"  body {'empty' if length == 0 else 'says why'}")

    async def send(self, data: bytes) -> None:
        async with deadline(self, "send"):
            with contextlib.suppress(ConnectionError):
                self.writer.write(data)
                await self.writer.drain()

    async def read(self, *, answer: bool = True) -> wire.Frame | None:
        """The next frame, None at the end of the connection. Answers pings and closing frames when told to."""
        try:
            frame = await wire.read_frame(self.reader)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        with contextlib.suppress(ConnectionError):
            if frame.opcode == wire.PING and answer:
                self.writer.write(wire.encode(wire.PONG, frame.payload))
            if frame.opcode == wire.CLOSE and answer:
                self.writer.write(wire.encode(wire.CLOSE, frame.payload[:2]))
        return frame

    async def drop(self) -> None:
        """End the TCP connection without a closing frame."""
        self.writer.close()
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            await asyncio.wait_for(self.writer.wait_closed(), DEADLINE)

    async def watch(self, address: str) -> None:
        """Connect the observer, which is told the handler's events."""
        if self.watching is not None:
            return
        host, _, port = address.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        target = with_query("/observe", "tag", self.tag)
        writer.write(request_bytes(f"GET {target} HTTP/1.1", UPGRADE | {"Host": address}))
        async with asyncio.timeout(DEADLINE):
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 101 " not in head.split(b"\r\n")[0]:
                raise RuntimeError(f"the observer's handshake was refused: {head!r}")
            await wire.read_frame(reader)
        self.watching = asyncio.create_task(self.collect(reader, writer))

    async def collect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError), contextlib.closing(writer):
            while (frame := await wire.read_frame(reader)).opcode != wire.CLOSE:
                if frame.opcode == wire.TEXT:
                    self.arriving.put_nowait(frame.payload.decode())
                elif frame.opcode == wire.PING:
                    writer.write(wire.encode(wire.PONG, frame.payload))

    async def event(self, wait: float) -> str | None:
        """The handler's next event, None when none comes in time."""
        try:
            self.events.append(await asyncio.wait_for(self.arriving.get(), wait))
        except TimeoutError:
            return None
        return self.events[-1]

    async def finish(self, *, expects_close: bool) -> None:
        """Drop what is still open, wait for the last event, and note all of them."""
        for _, writer in self.ends:
            writer.close()
        # A connection that opened ends with on_close; elsewhere there is nothing to wait for but silence.
        wait = DEADLINE if self.is_open and expects_close else SILENCE
        while (event := await self.event(wait)) is not None:
            wait = SILENCE if event.startswith("on_close") else wait
        runs = [(event, len(list(run))) for event, run in itertools.groupby(self.events)]
        for event, count in runs:
            lines = [f"event {event}, repeatedly"] if self.folds_events and count > 1 else [f"event {event}"] * count
            self.transcript.extend(lines)
        if self.watching is not None:
            self.watching.cancel()


@contextlib.asynccontextmanager
async def deadline(client: Client, what: str, seconds: float = DEADLINE):
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        client.note(f"{what}: nothing within {seconds:g} s")


def request_bytes(first_line: str, headers: Headers) -> bytes:
    lines = [first_line]
    for name, value in headers.items():
        values = value if isinstance(value, list) else [] if value is None else [value]
        lines.extend(f"{name}: {one}" for one in values)
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def with_query(path: str, name: str, value: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}{name}={urllib.parse.quote(value, safe='')}"
