"""A1: the opening handshake."""

import wire
from steps import Case, close, handshake, read, read_end, run

SAME = "http://parity.localhost"
FOREIGN = "https://evil.example"
TRUSTED = "https://trusted.example"


def refused(name: str, title: str, path: str = "/ws", headers: dict | None = None, **options) -> Case:
    return Case(name, title, [handshake(path, headers, show_body=True, **options)])


def answered(name: str, title: str, path: str = "/ws", headers: dict | None = None, **options) -> Case:
    return Case(name, title, [handshake(path, headers, **options), close(1000), read_end()])


def by_origin(name: str, title: str, path: str = "/ws", **headers: str) -> Case:
    """An upgrade from a page, by Origin and Sec-Fetch-Site."""
    return answered(name, title, path, {key.replace("_", "-"): value for key, value in headers.items()})


CASES = [
    answered("A1-01a", "no such route", "/nowhere"),
    answered("A1-01b", "POST", method="POST", headers={"Content-Length": "0"}),
    answered("A1-01c", "PUT", method="PUT", headers={"Content-Length": "0"}),
    answered("A1-01d", "HEAD", method="HEAD"),
    refused("A1-02a", "upgrade to another protocol", headers={"Upgrade": "h2c"}),
    answered("A1-02b", "the protocol in upper case", headers={"Upgrade": "WEBSOCKET"}),
    refused("A1-02c", "a plain GET", headers={"Upgrade": None, "Connection": None}),
    refused("A1-03a", "Connection without upgrade", headers={"Connection": "keep-alive"}),
    refused("A1-03b", "no Connection", headers={"Connection": None}),
    answered("A1-03c", "upgrade in a list", headers={"Connection": "keep-alive, UPGRADE"}),
    by_origin("A1-04a", "no Origin"),
    by_origin("A1-04b", "the same origin", Origin=SAME),
    by_origin("A1-04c", "the same origin in another case and scheme", Origin="HTTPS://Parity.Localhost"),
    by_origin("A1-04d", "another port", Origin=SAME + ":8080"),
    by_origin("A1-04e", "a foreign origin", Origin=FOREIGN),
    by_origin("A1-04f", "Origin: null", Origin="null"),
    by_origin("A1-04g", "Sec-Fetch-Site same-origin, a foreign Origin", Origin=FOREIGN, Sec_Fetch_Site="same-origin"),
    by_origin("A1-04h", "Sec-Fetch-Site none, a foreign Origin", Origin=FOREIGN, Sec_Fetch_Site="none"),
    by_origin("A1-04i", "Sec-Fetch-Site same-site, the same origin", Origin=SAME, Sec_Fetch_Site="same-site"),
    by_origin("A1-04j", "Sec-Fetch-Site cross-site, no Origin", Sec_Fetch_Site="cross-site"),
    by_origin("A1-04k", "Sec-Fetch-Site cross-site, trusted", Origin=TRUSTED, Sec_Fetch_Site="cross-site"),
    by_origin("A1-04l", "Sec-WebSocket-Origin is not read", Sec_WebSocket_Origin=FOREIGN),
    by_origin("A1-04m", "a handler that allows all, no Origin", "/ws?origin=allow", Sec_Fetch_Site="cross-site"),
    by_origin("A1-05a", "check_origin allows", "/ws?origin=allow", Origin=FOREIGN),
    by_origin("A1-05b", "check_origin is not asked for the same origin", "/ws?origin=refuse", Origin=SAME),
    by_origin("A1-05c", "check_origin allows null", "/ws?origin=allow", Origin="null"),
    by_origin("A1-06a", "a trusted origin", Origin=TRUSTED),
    by_origin("A1-06b", "a trusted origin with another scheme", Origin="http://trusted.example"),
    by_origin("A1-06c", "a trusted origin with a port", Origin=TRUSTED + ":444"),
    by_origin("A1-06d", "a subdomain of a wildcard entry", Origin="https://a.wild.example"),
    by_origin("A1-06e", "a wildcard entry's domain itself", Origin="https://wild.example"),
    answered("A1-07a", "version 8", headers={"Sec-WebSocket-Version": "8"}),
    answered("A1-07b", "no version", headers={"Sec-WebSocket-Version": None}),
    answered("A1-07c", "versions 13 and 8", headers={"Sec-WebSocket-Version": "13, 8"}),
    answered(
        "A1-07d",
        "draft 76",
        headers={
            "Sec-WebSocket-Version": None,
            "Sec-WebSocket-Key": None,
            "Sec-WebSocket-Key1": "4 @1  46546xW%0l 1 5",
            "Sec-WebSocket-Key2": "12998 5 Y3 1  .P00",
        },
    ),
    refused("A1-08a", "no key", headers={"Sec-WebSocket-Key": None}),
    answered("A1-08b", "a key that is not base64", headers={"Sec-WebSocket-Key": "no base64!"}),
    answered("A1-08c", "a key of 4 bytes", headers={"Sec-WebSocket-Key": "AAAAAA=="}),
    refused("A1-08d", "no Host", headers={"Host": None}),
    answered("A1-08e", "an empty key", headers={"Sec-WebSocket-Key": ""}),
    answered("A1-08f", "a foreign Host on loopback", headers={"Host": "rebound.example"}),
    answered("A1-08g", "two keys", headers={"Sec-WebSocket-Key": [wire.KEY, wire.KEY]}),
    answered("A1-08h", "HTTP/1.0", version="HTTP/1.0"),
    answered("A1-09a", "default headers in the 101", show=("x-parity",)),
    answered("A1-09b", "default headers in the handler's refusal", "/ws?refuse=403", show=("x-parity",)),
    answered("A1-09c", "default headers in the server's refusal", headers={"Origin": FOREIGN}, show=("x-parity",)),
    answered("A1-10a", "prepare refuses with 401", "/ws?refuse=401"),
    answered("A1-10b", "prepare redirects", "/ws?refuse=302"),
    answered("A1-10c", "prepare sets a cookie", "/ws?cookie=abc"),
    answered("A1-10d", "prepare fails", "/ws?fail=prepare"),
    answered("A1-10e", "prepare comes before the origin check", "/ws?refuse=401", headers={"Origin": FOREIGN}),
    Case("A1-11", "values of the configuration", [handshake(), run("greeting"), read()]),
    answered("A1-12a", "no subprotocol offered"),
    answered("A1-12b", "none of two chosen", headers={"Sec-WebSocket-Protocol": "a, b"}),
    answered("A1-12c", "the second chosen", "/ws?subprotocol=b", {"Sec-WebSocket-Protocol": "a, b"}),
    answered("A1-12d", "offered in two headers", "/ws?subprotocol=b", {"Sec-WebSocket-Protocol": ["a", "b"]}),
    answered("A1-12e", "one chosen that was not offered", "/ws?subprotocol=c", {"Sec-WebSocket-Protocol": "a, b"}),
    answered("A1-12f", "one chosen though none was offered", "/ws?subprotocol=c"),
    Case(
        "A1-13a",
        "the selected subprotocol",
        [handshake("/ws?subprotocol=a", {"Sec-WebSocket-Protocol": "a"}), run("subprotocol"), read()],
    ),
    Case("A1-13b", "no selected subprotocol", [handshake(), run("subprotocol"), read()]),
    answered("A1-14a", "compression is off", headers={"Sec-WebSocket-Extensions": "permessage-deflate"}),
    answered("A1-14b", "compression is on", "/ws?compression=on", {"Sec-WebSocket-Extensions": "permessage-deflate"}),
    answered(
        "A1-15a",
        "an extension that nobody knows",
        "/ws?compression=on",
        {"Sec-WebSocket-Extensions": "x-unknown; a=1"},
    ),
    answered(
        "A1-15b",
        "a window that Tornado cannot have",
        "/ws?compression=on",
        {"Sec-WebSocket-Extensions": "permessage-deflate; server_max_window_bits=8"},
    ),
    answered("A1-16", "headers of the 101", show=("server", "date", "content-type")),
    Case(
        "A1-18",
        "what the handler sees of the request",
        [
            handshake(
                "/ws?a=%20b&a=c",
                {"Origin": SAME, "X-Test": ["one", "two"], "Cookie": "session=abc; b=2"},
            ),
            run("request"),
            read(),
        ],
    ),
]
