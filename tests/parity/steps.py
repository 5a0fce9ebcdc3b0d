"""What a case is made of: a table's row is a list of these steps."""

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import Awaitable, Callable

import wire
from client import DEADLINE, Client, Headers, deadline

Step = Callable[[Client], Awaitable[None]]


@dataclasses.dataclass(frozen=True)
class Case:
    """`name` starts with the row of TORNADO.md that it belongs to: A1-04b is the second case of row 4."""

    name: str
    title: str
    steps: list[Step]
    # False where not both servers call on_close, so that it is not waited for.
    expects_close: bool = True
    # True where the server is kept so busy that other cases would notice.
    alone: bool = False

    @property
    def row(self) -> str:
        return self.name.rstrip("abcdefghijklmnopqrstuvwxyz")


def handshake(path: str = "/ws", headers: Headers | None = None, **options) -> Step:
    return lambda client: client.handshake(path, headers, **options)


def send(data: bytes) -> Step:
    return lambda client: client.send(data)


def text(message: str) -> Step:
    return send(wire.encode(wire.TEXT, message.encode()))


def binary(message: bytes) -> Step:
    return send(wire.encode(wire.BINARY, message))


def run(*commands: str) -> Step:
    """Have the handler carry out commands."""
    return text("!" + "|".join(commands))


def ping(data: str = "") -> Step:
    return send(wire.encode(wire.PING, data.encode()))


def pong(data: str = "") -> Step:
    return send(wire.encode(wire.PONG, data.encode()))


def close(code: int | None = None, reason: str = "") -> Step:
    return send(wire.encode(wire.CLOSE, b"" if code is None else code.to_bytes(2, "big") + reason.encode()))


def read(count: int = 1, *, answer: bool = True) -> Step:
    """Note the next frames."""

    async def step(client: Client) -> None:
        async with deadline(client, "read"):
            for _ in range(count):
                frame = await client.read(answer=answer)
                client.note("end" if frame is None else str(frame))

    return step


def read_end(*, answer: bool = True, about: float | None = None) -> Step:
    """Note all frames up to the end of the connection, and whether that came about so many seconds later."""

    async def step(client: Client) -> None:
        started = time.monotonic()
        async with deadline(client, "end"):
            while (frame := await client.read(answer=answer)) is not None:
                client.note(str(frame))
            took = time.monotonic() - started
            if about is None or about - 0.3 <= took <= about + 1.5:
                client.note("end" if about is None else f"end after about {about:g} s")
            else:
                client.note(f"end after {took:.1f} s")

    return step


def read_many(count: int) -> Step:
    """Read that many messages, and note only their number and size."""

    async def step(client: Client) -> None:
        sizes: list[int] = []
        async with deadline(client, "read"):
            while len(sizes) < count and (frame := await client.read()) is not None:
                sizes.append(len(frame.payload))
        client.note(f"{len(sizes)} messages of {sorted(set(sizes))} bytes")

    return step


def read_pongs(*, until: str) -> Step:
    """Note the pongs up to this one, whatever messages come between."""

    async def step(client: Client) -> None:
        async with deadline(client, f"pong {until}"):
            while (frame := await client.read()) is not None:
                if frame.opcode == wire.PONG:
                    client.note(str(frame))
                    if frame.payload == until.encode():
                        return
            client.note("end")

    return step


def keep_reading(seconds: float, *, answer: bool, chat: str | None = None) -> Step:
    """For some time read, answer pings or not, and send a message after each ping; note all but the pings.

    How often something happens in that time depends on the machine: events that repeat are noted once.
    """

    async def step(client: Client) -> None:
        client.folds_events = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while (frame := await client.read(answer=answer)) is not None:
                    if frame.opcode != wire.PING:
                        client.note(str(frame))
                    elif chat is not None:
                        await client.send(wire.encode(wire.TEXT, chat.encode()))
                client.note("end")
                return
        client.note(f"still open after {seconds:g} s")

    return step


def event(prefix: str) -> Step:
    """Wait until the handler has reported this event."""

    async def step(client: Client) -> None:
        if any(event.startswith(prefix) for event in client.events):
            return
        async with deadline(client, f"event {prefix}"):
            while (event := await client.event(DEADLINE)) is not None:
                if event.startswith(prefix):
                    return

    return step


def drop() -> Step:
    return lambda client: client.drop()


def who_is_first(busy: bytes, quick: bytes) -> Step:
    """Send `busy` on a first and `quick` on a second connection; note whose answer comes first."""

    async def step(client: Client) -> None:
        await client.handshake("/ws")
        # Between two connections nothing else says what comes first.
        await event("open")(client)
        await client.handshake("/ws")
        (reader, writer), (other_reader, other_writer) = client.ends
        writer.write(busy)
        other_writer.write(quick)
        answers = {
            asyncio.ensure_future(wire.read_frame(reader)): "the busy connection",
            asyncio.ensure_future(wire.read_frame(other_reader)): "the other connection",
        }
        async with deadline(client, "answers"):
            for answer in asyncio.as_completed(answers):
                await answer
                for task in [task for task in answers if task.done()]:
                    client.note(f"answered: {answers.pop(task)}")

    return step
