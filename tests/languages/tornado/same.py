"""same.py CHAT.PY HOST:PORT: has one conversation with Tornado's chat, which it starts, and with a host, and compares."""

import asyncio
import sys

import websockets

DEADLINE = 20

# Runs the program as it is, but on a free port, which it prints.
LAUNCH = """
import runpy, sys
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

def listen(application, port, address=""):
    sockets = bind_sockets(0, "127.0.0.1")
    HTTPServer(application).add_sockets(sockets)
    print(sockets[0].getsockname()[1], flush=True)

Application.listen = listen
runpy.run_path(sys.argv[1], run_name="__main__")
"""


async def conversation(address):
    seen = []

    async def enter(user, room="t%C3%A9a"):
        headers = {"Cookie": f"user={user}"} if user else {}
        url = f"ws://{address}/chat/{room}"
        return await websockets.connect(url, additional_headers=headers, subprotocols=["chat.v0", "chat.v1"])

    async def hear(client, count):
        for _ in range(count):
            seen.append(await client.recv())

    try:
        await enter(None)
    except websockets.InvalidStatus as refusal:
        seen.append((refusal.response.status_code, bytes(refusal.response.body)))
    ann = await enter("ann")
    seen.append(ann.subprotocol)
    await hear(ann, 1)
    bob, eve = await enter("bob"), await enter("eve", "other")
    await hear(ann, 1)
    await hear(bob, 1)
    await hear(eve, 1)
    await ann.send("grüße 🐦")
    await hear(ann, 1)
    await hear(bob, 1)
    await bob.send("/leave")
    await bob.wait_closed()
    seen.append((bob.close_code, bob.close_reason))
    await hear(ann, 1)
    await eve.send("alone")
    await hear(eve, 1)
    for client in (ann, eve):
        await client.close(1000)
    return seen


async def main():
    program, host = sys.argv[1:]
    tornado = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LAUNCH, program, stdout=asyncio.subprocess.PIPE
    )
    try:
        port = int(await asyncio.wait_for(tornado.stdout.readline(), DEADLINE))
        there = await asyncio.wait_for(conversation(f"127.0.0.1:{port}"), DEADLINE)
        here = await asyncio.wait_for(conversation(host), DEADLINE)
    finally:
        tornado.terminate()
        await tornado.wait()
    for place, (one, other) in enumerate(zip(there, here, strict=True)):
        if one != other:
            sys.exit(f"{place}: Tornado says {one!r}, Whimbrel {other!r}")
    print(f"the same: {there}")


asyncio.run(main())
