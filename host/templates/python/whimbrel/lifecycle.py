"""The export `lifecycle`: all handlers, as far as pickle can carry them over."""

import pickle

from whimbrel import open_handlers
from whimbrel.host import Err


class Lifecycle:
    def snapshot(self) -> bytes:
        try:
            return pickle.dumps((open_handlers.all_open(), open_handlers.exported().snapshot()))
        except Exception as error:
            raise Err(f"snapshot: {error!r}") from None

    def restore(self, state: bytes) -> None:
        try:
            handlers, rest = pickle.loads(state)
            for connection, handler in handlers.items():
                open_handlers.add(handler, connection)
            open_handlers.exported().restore(rest)
        except Exception as error:
            raise Err(f"restore: {error!r}") from None
