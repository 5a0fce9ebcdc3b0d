"""PyPI's websockets against the parity handler: websockets_client.py ws://HOST:PORT. Prints `ok`, or what failed."""

import asyncio
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

DEADLINE = 30.0


async def echo(url: str) -> None:
    async with connect(f"{url}/ws", max_size=2**21) as client:
        for message in ["héllo", b"\x00\xff", "", b"", "x" * 2**20, b"y" * 2**20]:
            await client.send(message)
            expect("echo", await client.recv(), message)
        await client.send(["frag", "ment", "ed"])
        expect("echo of fragments", await client.recv(), "fragmented")


async def subprotocol(url: str) -> None:
    async with connect(f"{url}/ws?subprotocol=b", subprotocols=["a", "b"]) as client:
        expect("subprotocol", client.subprotocol, "b")
    async with connect(f"{url}/ws", subprotocols=["a", "b"]) as client:
        expect("no subprotocol", client.subprotocol, None)


async def pings(url: str) -> None:
    async with connect(f"{url}/ws") as client:
        await (await client.ping(b"are you there"))
        # The library answers the handler's ping by itself; the echo shows that the connection lives.
        await client.send("!ping hello")
        await client.send("after")
        expect("echo after ping", await client.recv(), "after")


async def close(url: str) -> None:
    async with connect(f"{url}/ws") as client:
        await client.send("!close 4001 bye")
        try:
            raise AssertionError(f"a message instead of the close: {await client.recv()!r}")
        except ConnectionClosed as closed:
            expect("close from the handler", (closed.rcvd.code, closed.rcvd.reason), (4001, "bye"))
    client = await connect(f"{url}/ws")
    await client.close(3000, "mine")
    expect("answer to our close", client.close_code, 3000)


async def refusals(url: str) -> None:
    cases = [("/ws?refuse=403", None, 403), ("/nowhere", None, 404), ("/ws", "https://evil.example", 403)]
    for path, origin, status in cases:
        try:
            async with connect(url + path, origin=origin):
                raise AssertionError(f"{path} from {origin} was accepted")
        except InvalidStatus as refused:
            expect(f"status of {path} from {origin}", refused.response.status_code, status)


def expect(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise AssertionError(f"{what}: {found!r:.200}, expected {expected!r:.200}")


async def main(url: str) -> None:
    async with asyncio.timeout(DEADLINE):
        for check in (echo, subprotocol, pings, close, refusals):
            await check(url)
    print("ok")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
