"""Tests of the handler, without a host: python3 -m unittest"""

import unittest

from app import Echo
from whimbrel.testing import connect


class EchoTest(unittest.TestCase):
    def test_every_message_comes_back(self):
        client = connect(Echo, "/{{name}}")
        client.send("hello")
        client.send(b"\x00\xff")
        self.assertEqual(client.received, ["hello", b"\x00\xff"])
        client.close()


if __name__ == "__main__":
    unittest.main()
