"""Runs `async def` handlers to their end, within the event.

An instance is given one event at a time and runs during events only. So the next event waits until the handler has
returned, as in Tornado, and a task that it leaves behind goes on when a later event of the instance is awaited, no
sooner. A sleep suspends the instance, with all of its connections, and no thread of the host.
"""

import asyncio
import sys
import time
from asyncio.base_events import BaseEventLoop


class _Timers:
    """In place of a selector: there are no sockets, so what can be waited for is time."""

    def select(self, timeout: float | None) -> list:
        if timeout is None:
            raise RuntimeError("this would wait for ever: only an event of the host could end it, and none comes while a handler runs")
        if timeout > 0:
            time.sleep(timeout)
        return []


class _Loop(BaseEventLoop):
    def __init__(self):
        super().__init__()
        self._selector = _Timers()

    def _process_events(self, _events: list) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


_loop = _Loop()
_told: set[str] = set()


def run(awaitable) -> None:
    """Run a handler to its end."""
    task = asyncio.ensure_future(awaitable, loop=_loop)
    try:
        _loop.run_until_complete(task)
    finally:
        if not task.done():
            task.cancel()
        _warn_of(task)


def _warn_of(task) -> None:
    for left in asyncio.all_tasks(_loop) - {task}:
        name = getattr(left.get_coro(), "__qualname__", left.get_name())
        if name not in _told:
            _told.add(name)
            print(
                f"the task {name} is not finished, and stands still until a later event is awaited: handlers run "
                "during events only; await it",
                file=sys.stderr,
            )
