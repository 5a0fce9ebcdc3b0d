"""The guest that every language has, see ../README.md."""

import sys

from whimbrel import (
    WebSocketBufferFullError,
    WebSocketClosedError,
    WebSocketError,
    WebSocketHandler,
    export,
    publish,
)


class Case(WebSocketHandler):
    count = 0

    def set_default_headers(self):
        self.set_header("x-case", "yes")

    def prepare(self):
        self.fails("upgrade")
        if status := self.get_argument("refuse", None):
            self.clear()
            self.set_status(int(status))
            self.set_header("x-refused", "yes")
            self.finish("refused")

    def select_subprotocol(self, subprotocols):
        return "case.v2" if "case.v2" in subprotocols else None

    def open(self, *args, **kwargs):
        self.fails("open")

    def on_message(self, message):
        self.count += 1
        if isinstance(message, bytes):
            self.write_message(message, binary=True)
        elif not message.startswith("!"):
            self.write_message(message)
        else:
            name, _, text = message[1:].partition(" ")
            try:
                answer = getattr(self, "do_" + name.replace("-", "_"))(text)
            except (WebSocketError, ValueError) as error:
                answer = f"error {variant(error)}"
            if answer is not None:
                self.write_message(answer)

    def on_ping(self, data):
        self.fails("ping")
        self.write_message("ping " + data.decode())

    def on_pong(self, data):
        if data:
            self.fails("pong")
            self.write_message("pong " + data.decode())

    def on_close(self):
        code = "-" if self.close_code is None else self.close_code
        # As in Tornado an empty reason is None.
        reason = "-" if self.close_code is None else self.close_reason or ""
        print(f"closed code={code} reason={reason} cause={self.close_cause}")
        self.fails("close")

    def fails(self, function):
        if self.get_argument("fail", None) == function:
            raise RuntimeError(f"failed in {function}")

    def do_args(self, text):
        return ",".join(f"{name or '_'}={'-' if value is None else value}" for name, value in self.request.args)

    def do_query(self, text):
        return self.request.query if "?" in self.request.uri else "-"

    def do_header(self, text):
        return next(iter(self.request.headers.get_list(text)), "-")

    def do_request(self, text):
        request = self.request
        return (
            f"path={request.path} host={request.host} origin={request.origin or '-'} "
            f"subprotocols={','.join(request.subprotocols)} secure={str(request.protocol == 'https').lower()}"
        )

    def do_subprotocol(self, text):
        return self.selected_subprotocol or "-"

    def do_count(self, text):
        return str(self.count)

    def do_close(self, text):
        code, _, reason = text.partition(" ")
        self.close(*([int(code), reason] if code else []))

    def do_ping(self, text):
        self.ping(text)

    def do_subscribe(self, text):
        self.subscribe(text)
        return "ok"

    def do_unsubscribe(self, text):
        self.unsubscribe(text)
        return "ok"

    def do_publish(self, text):
        topic, _, text = text.partition(" ")
        return f"ok {publish(topic, text)}"

    def do_publish_others(self, text):
        topic, _, text = text.partition(" ")
        return f"ok {publish(topic, text, exclude=self)}"

    def do_attach(self, text):
        self.attach(text)
        return "ok"

    def do_attachment(self, text):
        return self.attachment().decode()

    def do_print(self, text):
        print(text)
        return "ok"

    def do_eprint(self, text):
        print(text, file=sys.stderr)
        return "ok"

    def do_fail(self, text):
        raise RuntimeError(text)


def variant(error):
    if isinstance(error, WebSocketClosedError):
        return "closed"
    if isinstance(error, WebSocketBufferFullError):
        return "buffer-full"
    if isinstance(error, ValueError):
        return "invalid"
    return "too-large" if "too large" in str(error) else "denied"


export(Case)
