"""Hostile forms of a good input: of its JSON, value by value, and of its bytes."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

DEEP: Any = []
for _ in range(300):
    DEEP = [DEEP]

EVIL: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    2**70,
    -(2**63),
    1e308,
    -1e-320,
    float("nan"),
    float("inf"),
    "",
    " ",
    "\ud800",
    "\x1b]52;c;ZXZpbA==\x07",
    "\u202e\x00",
    "../../etc",
    "/",
    "é" * 5_000,
    "9" * 5_000,
    [],
    {},
    [[]],
    {"": {}},
    DEEP,
    [1] * 2_000,
    {str(number): number for number in range(2_000)},
    "2026-11-27T00:00:00",
    "0" * 40,
)
"""Values that a reader may not expect where it finds them."""

TOKENS = (
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\x1b[2J",
    b'"',
    b"{",
    b"[" * 5_000,
    b"}",
    b"\r",
    b"\n",
    b",",
    b";",
    b"\t",
    b"1e999",
    b"NaN",
    b"\xed\xa0\x80",
    b"\xff" * 8,
    b"\x7f\xff\xff\xff",
    b"\x00" * 64,
)


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Another form of the input: three of four times of its JSON where it is JSON."""
    if chance.random() < 0.75:
        try:
            return _json_bytes(_changed(json.loads(data), chance))
        except (ValueError, RecursionError):
            pass  # it is no JSON, or deeper than this process can write
    return _spoilt(data, chance)


def _json_bytes(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


def _changed(document: Any, chance: random.Random) -> Any:
    """The document with one to three of its values replaced, gone or moved."""
    document = copy.deepcopy(document)
    for _ in range(chance.randint(1, 3)):
        places = list(_places(document))
        if not places:
            return chance.choice(EVIL)
        holder, key = chance.choice(places)
        match chance.randrange(5):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[str(key) + chance.choice(("", " ", "x", "\x00"))] = holder.pop(key)
            case 2:
                other, name = chance.choice(places)
                # a holder of what was taken away in this round is still a document of its own
                holder[key] = copy.deepcopy(other[name]) if _has(other, name) else None
            case _:
                holder[key] = copy.deepcopy(chance.choice(EVIL))
    return document


def _has(holder: Any, key: Any) -> bool:
    return key in holder if isinstance(holder, dict) else 0 <= key < len(holder)


def _places(document: Any) -> list[tuple[Any, Any]]:
    """Every value of it, as its holder and its key."""
    found: list[tuple[Any, Any]] = []
    waiting = [document]
    while waiting and len(found) < 5_000:
        holder = waiting.pop()
        if isinstance(holder, dict):
            items: list[tuple[Any, Any]] = list(holder.items())
        elif isinstance(holder, list):
            items = list(enumerate(holder))
        else:
            continue
        found += [(holder, key) for key, _ in items]
        waiting += [value for _, value in items]
    return found


def _spoilt(data: bytes, chance: random.Random) -> bytes:
    """The bytes with a few of them changed, lost, doubled, or cut off."""
    found = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, len(found))
        match chance.randrange(6):
            case 0:
                found[at:] = b""
            case 1:
                found[at:at] = chance.choice(TOKENS)
            case 2:
                del found[at : at + chance.randint(1, 16)]
            case 3:
                found[at:at] = found[at : at + chance.randint(1, 64)]
            case 4 if at < len(found):
                found[at] ^= 1 << chance.randrange(8)
            case _ if at < len(found):
                found[at] = chance.randrange(256)
    return bytes(found)
