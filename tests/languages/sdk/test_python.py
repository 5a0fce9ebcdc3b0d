"""Tests of the Python SDK, host/templates/python/whimbrel, with its stand-in for the host."""

import asyncio
import contextlib
import io
import json
import os
import pickle
import sys
import unittest

TEMPLATE = os.path.join(os.path.dirname(__file__), "../../../host/templates/python")
sys.path.insert(0, TEMPLATE)

import whimbrel
from whimbrel import component, fake, lifecycle, nesting, open_handlers, testing
from whimbrel.testing import connect


class Probe(whimbrel.WebSocketHandler):
    """Does what the test puts into `act`, and keeps what happened."""

    def initialize(self, act=None, **more):
        self.act, self.more, self.seen = act or (lambda handler, message: None), more, []

    def set_default_headers(self):
        self.set_header("X-Default", "1")

    def prepare(self):
        self.prepared = True
        if status := self.get_argument("refuse", None):
            raise whimbrel.HTTPError(int(status), "told so by %s", "the query")
        if self.get_argument("login", None):
            self.redirect("/login")
        if self.get_argument("crash", None):
            1 / 0
        self.set_cookie("seen", "yes", httponly=True)

    def check_origin(self, origin):
        return origin == "https://friend.example"

    def open(self, *args, **kwargs):
        self.seen.append((args, kwargs))

    def on_message(self, message):
        return self.act(self, message)

    def on_ping(self, data):
        raise KeyError(data)

    def on_close(self):
        self.seen.append((self.close_code, self.close_reason, self.close_cause))

    def resume(self):
        self.resumed = self.attachment()


def acting(act, **kwargs):
    return connect(Probe, "/", initialize={"act": act}, **kwargs)


class SdkTest(unittest.TestCase):
    def setUp(self):
        open_handlers._open.clear()
        fake.peers.clear()
        self.log = io.StringIO()
        quiet = contextlib.redirect_stderr(self.log)
        quiet.__enter__()
        self.addCleanup(quiet.__exit__, None, None, None)

    def test_captures_reach_open_as_in_tornado(self):
        self.assertEqual(connect(Probe, "/", "a", None).handler.seen, [(("a", None), {})])
        self.assertEqual(connect(Probe, "/", room="tea").handler.seen, [((), {"room": "tea"})])
        both = connect(Probe, "/", "unnamed", room="tea")
        self.assertEqual(both.handler.seen, [((), {"room": "tea"})])
        self.assertEqual(both.handler.request.args, [(None, "unnamed"), ("room", "tea")])

    def test_messages_are_made_as_in_tornado(self):
        client = acting(lambda handler, message: handler.write_message(*message))
        for message in [("text",), (b"bytes",), ("text", True), (b"\xff", True), ({"a": "</b>"},), (bytearray(b"x"), True)]:
            open_handlers.run(client.handler.on_message(message))
        self.assertEqual(client.received, ["text", "bytes", b"text", b"\xff", '{"a": "<\\/b>"}', b"x"])
        for bad, error in [((b"\xff",), ValueError), ((5,), TypeError), ((json.loads('"\\ud800"'),), ValueError)]:
            with self.assertRaises(error):
                client.handler.on_message(bad)

    def test_an_exception_is_told_and_logged(self):
        def fail(handler, message):
            raise LookupError("no\ud800where")

        client = acting(fail)
        with self.assertRaisesRegex(testing.Failed, r"LookupError: no\\ud800where"):
            client.send("x")
        self.assertIn("Traceback", self.log.getvalue())
        self.assertNotIn("whimbrel/component.py", self.log.getvalue())
        for leaves in (SystemExit(3), KeyboardInterrupt()):
            with self.assertRaises(testing.Failed):
                acting(lambda handler, message: (_ for _ in ()).throw(leaves).__next__()).send("x")

    def test_a_failure_of_a_ping_closes_as_an_error_does(self):
        client = acting(None)
        client.ping(b"x")
        self.assertEqual(client.closed, (1011, ""))

    def test_closing(self):
        client = acting(lambda handler, message: handler.close(*message))
        handler = client.handler
        for bad in [(1006,), (70000,), (1000, "x" * 124), ("1000",)]:
            with self.assertRaises(ValueError):
                handler.close(*bad)
        handler.close(reason="bye")
        handler.close(4000)
        self.assertEqual((client.closed, handler.ws_connection), ((1000, "bye"), None))
        with self.assertRaises(whimbrel.WebSocketClosedError):
            handler.write_message("late")
        client.close(1000, "")
        self.assertEqual((handler.seen[-1], handler.id), ((1000, None, "peer"), None))

    def test_the_handshake_is_refused(self):
        for path, status, body in [("/?refuse=401", 401, b"401: Unauthorized"), ("/?login=1", 302, b""),
                                   ("/?crash=1", 500, b"500: Internal Server Error")]:
            with self.assertRaises(testing.Refused) as refused:
                connect(Probe, path)
            self.assertEqual((refused.exception.status, refused.exception.headers["x-default"]), (status, "1"))
            self.assertIn(body, refused.exception.body)
        with self.assertRaises(testing.Refused) as refused:
            connect(Probe, "/", origin="https://evil.example", origin_allowed=False)
        self.assertEqual((refused.exception.status, refused.exception.body), (403, b"Cross origin websockets not allowed"))
        client = connect(Probe, "/", origin="https://friend.example", origin_allowed=False)
        self.assertEqual(client.headers, {"x-default": "1", "set-cookie": "seen=yes; HttpOnly; Path=/"})
        with self.assertRaisesRegex(RuntimeError, "Method not supported for Web Sockets"):
            client.handler.set_header("a", "b")

    def test_what_prepare_sets_reaches_open_and_no_other_connection(self):
        first, second = connect(Probe, "/"), connect(Probe, "/")
        self.assertTrue(first.handler.prepared)
        self.assertIsNot(first.handler, second.handler)
        self.assertEqual(component._prepared, {})

    def test_a_request(self):
        headers = {"Cookie": "user=ann; b=2", "X-A": "1"}
        request = connect(Probe, "/a%20b?x=1&x=%ff&y=", headers=headers).handler
        self.assertEqual((request.get_cookie("user"), request.get_cookie("no", "-")), ("ann", "-"))
        self.assertEqual(request.request.arguments, {"x": [b"1", b"\xff"], "y": [b""]})
        self.assertEqual((request.get_argument("y"), request.request.remote_ip), ("", "127.0.0.1"))
        self.assertEqual((request.request.headers["x-a"], request.request.uri), ("1", "/a%20b?x=1&x=%ff&y="))
        with self.assertRaisesRegex(whimbrel.HTTPError, "400.*Missing argument z"):
            request.get_argument("z")

    def test_topics_and_connections(self):
        first, second = connect(Probe, "/"), connect(Probe, "/")
        first.handler.subscribe("tea")
        second.handler.subscribe("tea")
        self.assertEqual(whimbrel.publish("tea", "hot", exclude=first.handler), 1)
        self.assertEqual(whimbrel.send_many([first.handler, second.handler], b"x", binary=True), 2)
        self.assertEqual((first.received, second.received), ([b"x"], ["hot", b"x"]))
        self.assertIn(first.handler, whimbrel.connections())

    def test_async_handlers_run_to_their_end(self):
        async def slow(handler, message):
            await asyncio.gather(asyncio.sleep(0.01), handler.write_message("first"))
            handler.left = asyncio.ensure_future(asyncio.sleep(100))
            await handler.write_message("second")

        client = acting(slow)
        client.send("x")
        self.assertEqual(client.received, ["first", "second"])
        self.assertIn("the task sleep is not finished", self.log.getvalue())
        client.handler.left.cancel()

        async def forever(handler, message):
            await asyncio.get_running_loop().create_future()

        with self.assertRaisesRegex(testing.Failed, "wait for ever"):
            acting(forever).send("x")

    def test_what_does_not_wait_needs_no_loop(self):
        async def at_once():
            return 1

        loop, open_handlers._run = open_handlers._run, None
        try:
            open_handlers.run(at_once())
            acting(lambda handler, message: handler.write_message(message)).send("x")
            open_handlers._run = None
            with self.assertRaisesRegex(TypeError, "async def"):
                open_handlers.run(asyncio.sleep(0))
        finally:
            open_handlers._run = loop

    def test_a_connection_of_another_instance_is_resumed(self):
        client = connect(Probe, "/")
        client.handler.attach("state")
        open_handlers._open.clear()
        client.send("x")
        self.assertEqual(client.handler.resumed, b"state")
        with self.assertRaisesRegex(RuntimeError, "attach"):
            client.handler.request

    def test_a_successor_gets_all_handlers(self):
        client = connect(Probe, "/", room="tea")
        client.handler.act = print
        state = lifecycle.Lifecycle().snapshot()
        open_handlers._open.clear()
        lifecycle.Lifecycle().restore(state)
        self.assertEqual((client.handler.seen, client.handler.path_kwargs), ([((), {"room": "tea"})], {"room": "tea"}))
        client.handler.act = lambda: None
        with self.assertRaisesRegex(fake.Err, "pickle"):
            lifecycle.Lifecycle().snapshot()
        open_handlers._open.clear()

    def test_deep_json_is_an_error(self):
        check = nesting._checked_decode
        decoder = json.JSONDecoder()
        self.assertEqual(check(decoder, "[" * 400 + "]" * 400), json.loads("[" * 400 + "]" * 400))
        self.assertEqual(check(decoder, json.dumps(["[" * 5000, '\\"' + "{" * 5000])), ["[" * 5000, '\\"' + "{" * 5000])
        for bad in ("[" * 100_000, '["' + '\\"' * 100_000 + "[" * 600 + '", ' + "[" * 600, '{"a":' * 600 + "1" + "}" * 600, '["]]",' * 600):
            with self.assertRaisesRegex(RecursionError, "JSON"):
                check(decoder, bad)

    def test_a_mistake_in_export_is_named(self):
        with self.assertRaisesRegex(TypeError, "WebSocketHandler"):
            whimbrel.export(dict)
        self.assertEqual(pickle.loads(pickle.dumps(whimbrel.HTTPError(404))).status_code, 404)


if __name__ == "__main__":
    unittest.main()
