"""Tornado's own client against the parity handler: tornado_client.py ws://HOST:PORT. Prints `ok`, or what failed."""

import asyncio
import sys

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClosedError, websocket_connect

DEADLINE = 30.0


async def echo(url: str) -> None:
    client = await websocket_connect(f"{url}/ws")
    for message in ["héllo", b"\x00\xff", "", b"", "x" * 2**20, b"y" * 2**20]:
        await client.write_message(message, binary=isinstance(message, bytes))
        expect("echo", await client.read_message(), message)
    client.close()


async def subprotocol(url: str) -> None:
    client = await websocket_connect(f"{url}/ws?subprotocol=b", subprotocols=["a", "b"])
    expect("subprotocol", client.selected_subprotocol, "b")
    client.close()
    client = await websocket_connect(f"{url}/ws", subprotocols=["a", "b"])
    expect("no subprotocol", client.selected_subprotocol, None)
    client.close()


async def pings(url: str) -> None:
    client = await websocket_connect(f"{url}/ws")
    pong: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    client.on_pong = pong.set_result
    client.ping(b"are you there")
    expect("pong", await pong, b"are you there")
    # The library answers the handler's ping by itself; the echo shows that the connection lives.
    await client.write_message("!ping hello")
    await client.write_message("after")
    expect("echo after ping", await client.read_message(), "after")
    client.close()


async def close(url: str) -> None:
    client = await websocket_connect(f"{url}/ws")
    await client.write_message("!close 4001 bye")
    expect("message after close", await client.read_message(), None)
    expect("close from the handler", (client.close_code, client.close_reason), (4001, "bye"))
    try:
        await client.write_message("late")
        raise AssertionError("a message was sent after the close")
    except WebSocketClosedError:
        pass
    client = await websocket_connect(f"{url}/ws")
    client.close(3000, "mine")
    expect("message after our close", await client.read_message(), None)
    expect("answer to our close", client.close_code, 3000)


async def refusals(url: str) -> None:
    cases = [("/ws?refuse=403", None, 403), ("/nowhere", None, 404), ("/ws", "https://evil.example", 403)]
    for path, origin, status in cases:
        headers = {"Origin": origin} if origin else {}
        try:
            await websocket_connect(HTTPRequest(url + path, headers=headers))
            raise AssertionError(f"{path} from {origin} was accepted")
        except HTTPClientError as refused:
            expect(f"status of {path} from {origin}", refused.code, status)


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
