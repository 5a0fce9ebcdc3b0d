"""Keeps deeply nested JSON from ending the instance.

Python's parser of JSON calls itself for each nested array or object, and does not see how little of wasm's stack is left: a
peer could end an instance, with all of its connections, by a thousand brackets. As elsewhere it gets RecursionError here.
"""

import json
import re

_DEEPEST = 500
# One without an end goes to the end, so that looking for strings takes linear time whatever the text.
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))

_decode = json.JSONDecoder.decode


def guard_json() -> None:
    """Check what json.loads and json.load are given."""
    json.JSONDecoder.decode = _checked_decode  # type: ignore[method-assign]


def _checked_decode(decoder: json.JSONDecoder, text: str, *arguments):
    if text.count("[") + text.count("{") > _DEEPEST and _depth(text) > _DEEPEST:
        raise RecursionError(f"JSON nested more than {_DEEPEST} levels deep")
    return _decode(decoder, text, *arguments)


def _depth(text: str) -> int:
    """How deeply the brackets are nested, in a few fast passes: each takes the innermost away."""
    brackets = _STRING.sub("", text).encode(errors="replace").translate(None, _ALL_BUT_BRACKETS)
    for level in range(_DEEPEST):
        inside = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if len(inside) == len(brackets):
            # Nothing closes any more.
            return level + brackets.count(b"[") + brackets.count(b"{")
        brackets = inside
    return _DEEPEST + len(brackets)
