"""What scales are called: two instruments that read one metric never share a label."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cems_tui.domain.score import mixed_words
from cems_tui.text import visible

DIGEST_LETTERS = 4
"""Of an instrument's digest, behind the metric where two instruments read it."""

Scale = tuple[str, str | None]
"""A metric, and the id of the instrument that read it."""


def labels(scales: Iterable[Scale]) -> dict[Scale, str]:
    """What each of some scales is called: its metric, and with more than one instrument of a
    metric in sight the beginning of the instrument's digest: `mixed·1f3a`."""
    found = list(dict.fromkeys(scales))
    metrics = [metric for metric, _ in found]
    called = {}
    for metric, scorer in found:
        alone = metrics.count(metric) == 1
        called[metric, scorer] = visible(metric if alone else f"{metric}·{_mark(scorer, found)}")
    return called


def constants_lines(called: dict[Scale, str]) -> Iterator[str]:
    """What each mixed scale in sight is made of: `mixed is (nima − 2.8) ÷ 6.6 + …`."""
    for (_, scorer), label in called.items():
        words = mixed_words(scorer)
        if words is not None:
            yield f"{label} is {words}"


def _mark(scorer: str | None, scales: list[Scale]) -> str:
    """The shortest beginning of the digest that tells it from the others in sight."""
    if scorer is None:
        return "unknown"
    digest = _digest(scorer)
    others = [_digest(other) for _, other in scales if other not in (None, scorer)]
    length = DIGEST_LETTERS
    while length < len(digest) and any(one.startswith(digest[:length]) for one in others):
        length += 1
    return digest[:length]


def _digest(scorer: str | None) -> str:
    return (scorer or "").rpartition(":")[2] or str(scorer)
