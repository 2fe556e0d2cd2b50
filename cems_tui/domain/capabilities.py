"""What a generation function can follow of a request, and in which words it cannot. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Guidance = Literal["free", "positive", "embedded", "none"]
"""How a pipeline is guided towards its prompt.

`free`: classifier-free, and a negative prompt steers away from something. `positive`:
classifier-free against the empty prompt only. `embedded`: the scale is an input of its
network, there is no second pass. `none`: guidance was distilled into its weights.
"""

ObstacleKind = Literal["pipeline", "size", "guidance", "negative", "length", "memory"]
"""What of a request a function cannot follow, or what of the function stands in the way."""

WAYS_OUT: dict[ObstacleKind, str] = {
    "pipeline": "Choose another function.",
    "size": "Choose a size that it draws, or another function.",
    "guidance": "Import it again with --guidance 0.",
    "negative": "Leave --negative out, or choose a function with a guidance above 1.",
    "length": "Shorten the prompt, or choose a function that reads more of it.",
    "memory": "Choose a smaller function or size, or let weights hold more: "
    "CEMS_DEVICE_BUDGET_MB, device.budget_mb, device.leave_gb.",
}
"""What the user can do about it."""

_WORD = re.compile(r"\S*\w\S*")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a function can follow. None is unknown, and what is unknown refuses nothing."""

    guidance: Guidance | None = None
    size_multiple: int | None = None
    """Pixels that width and height must be multiples of; also the shortest side."""

    longest_side: int | None = None
    """Pixels; None is no limit of its own, or unknown."""

    prompt_tokens: int | None = None
    """Tokens of a prompt that it reads; what stands behind them is left out."""

    numbers_per_pixel: int | None = None
    """Floating-point numbers for each pixel that drawing holds at the very least."""

    undrawable: str | None = None
    """Why nothing here draws with it, in words that go behind its name; None when it draws."""


UNKNOWN = Capabilities()
"""Of a function that nobody asked yet."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request asks of one function, its settings included."""

    width: int
    """Pixels."""

    height: int
    """Pixels."""

    guidance: float
    """The scale it draws with; 0 or 1 is none."""

    negative: bool
    """Whether there is a negative prompt."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a function cannot follow a request."""

    kind: ObstacleKind
    words: str
    """They go behind the function's name."""


def obstacle(capabilities: Capabilities, wanted: Wanted) -> Obstacle | None:
    """What keeps a function from following what is wanted; None when nothing is known to."""
    if capabilities.undrawable is not None:
        return Obstacle("pipeline", capabilities.undrawable)
    return _size(capabilities, wanted) or _guidance(capabilities, wanted)


def obstacles(
    functions: Mapping[str, tuple[Capabilities, Wanted]], prompt: str, *, pinned: bool
) -> dict[str, Obstacle]:
    """What keeps functions from following a request, by name; those that can are left out.

    A function that reads less of the prompt than there is stands back where another one reads
    all of it. A pinned one draws what it reads, and so do all where none reads more.

    Args:
        functions: what each can follow, and what the request asks of it.
        pinned: whether the user named the function.
    """
    found = {
        name: stands
        for name, (capabilities, wanted) in functions.items()
        if (stands := obstacle(capabilities, wanted)) is not None
    }
    rest = [name for name in functions if name not in found]
    words = least_tokens(prompt)
    cut = [name for name in rest if _reads_less(functions[name][0], words)]
    if not pinned and len(cut) < len(rest):
        found |= {name: _length(functions[name][0], words) for name in cut}
    return found


def told_together(blocked: Iterable[tuple[str, str]]) -> list[str]:
    """Sentences of functions and why they are blocked: those of one reason in one sentence."""
    names: dict[str, list[str]] = {}
    for name, words in blocked:
        names.setdefault(words, []).append(name)
    return [f"{', '.join(of_it)}: {words}" for words, of_it in names.items()]


def least_tokens(prompt: str) -> int:
    """The tokens that any tokenizer makes of a prompt at the least: one a word.

    Exact counts need the tokenizer; this needs none, and never says too many.
    """
    return len(_WORD.findall(prompt))


def _reads_less(capabilities: Capabilities, tokens: int) -> bool:
    return capabilities.prompt_tokens is not None and tokens > capabilities.prompt_tokens


def _length(capabilities: Capabilities, tokens: int) -> Obstacle:
    return Obstacle(
        "length",
        f"reads {capabilities.prompt_tokens} tokens of a prompt, and this one has {tokens} or more",
    )


def _size(capabilities: Capabilities, wanted: Wanted) -> Obstacle | None:
    multiple, longest = capabilities.size_multiple, capabilities.longest_side
    sides = (wanted.width, wanted.height)
    size = f"{wanted.width}x{wanted.height}"
    if multiple is not None and any(side < multiple or side % multiple for side in sides):
        near = "x".join(str(nearest_side(side, multiple, longest)) for side in sides)
        return Obstacle(
            "size", f"cannot draw {size}: its sides are multiples of {multiple}, such as {near}"
        )
    if longest is not None and max(sides) > longest:
        return Obstacle("size", f"cannot draw {size}: its longest side is {longest}")
    return None


def _guidance(capabilities: Capabilities, wanted: Wanted) -> Obstacle | None:
    kind = capabilities.guidance
    if kind == "none" and wanted.guidance > 1:
        words = f"has no use for guidance {wanted.guidance:g}: it was distilled into it"
        return Obstacle("guidance", words)
    if not wanted.negative:
        return None
    if wanted.guidance <= 1:
        return Obstacle("negative", "cannot follow a negative prompt without guidance")
    if kind is not None and kind != "free":
        words = "cannot follow a negative prompt: its guidance is of another kind"
        return Obstacle("negative", words)
    return None


def nearest_side(side: int, multiple: int, longest: int | None = None) -> int:
    """The side nearest to one that can be drawn, in pixels."""
    most = side // multiple + 1 if longest is None else longest // multiple
    return max(1, min(most, round(side / multiple))) * multiple
