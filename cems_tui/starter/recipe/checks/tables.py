"""An evaluation as Markdown: what each function gets right, where it fails, who wins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cems_tui.domain.score import MixedConstants, mixed
from cems_tui.starter.recipe.checks.results import (
    CLASSES,
    Evaluation,
    Mark,
    Quality,
    breakdown,
    qualities,
    wins,
)
from cems_tui.starter.recipe.checks.shares import Mean, Share

WORST = 12
"""Rows of each group of a breakdown that are worth reading."""
MIXED_TOLERANCE = 0.05
"""Mixed scores nearer than this count as equal."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def shares_table(found: Evaluation) -> str:
    """Function x class: the shares with Wilson's 95 % intervals, and the scorers' means."""
    rows = []
    for function in found.marks:
        for kind in CLASSES:
            shares = found.shares(function, kind)
            clip = Mean.of(qualities(found, function, lambda mark: mark.clip, kind))
            nima = Mean.of(qualities(found, function, lambda mark: mark.nima, kind))
            cells = [str(share) for share in shares.values()]
            rows.append(
                [function, kind, *cells, f"{clip.value or 0:.1f}", f"{nima.value or 0:.2f}"]
            )
    what = list(found.shares(next(iter(found.marks)))) if found.marks else []
    return table(["function", "class", *what, "CLIP", "NIMA"], rows)


def breakdown_tables(found: Evaluation, function: str) -> str:
    """The worst nouns, colours, sizes, relations, counts and layouts of one function."""
    parts = []
    for name, shares in breakdown(found, function).items():
        told = ", ".join(
            f"{key} {share.value:.2f} ({share.of})"
            for key, share in shares[:WORST]
            if share.value is not None
        )
        parts.append(f"- {name}: {told}")
    return "\n".join(parts)


def spread_tables(found: Evaluation) -> str:
    """Class x function means of both qualities, and the share of prompts each function wins."""
    constants = MixedConstants.fit(
        (mark.nima for marks in found.marks.values() for mark in marks),
        (mark.clip for marks in found.marks.values() for mark in marks),
    )

    def blend(mark: Mark) -> float:
        return mixed(mark.nima, mark.clip, constants)

    def whole(mark: Mark) -> float:
        return float(mark.verdict.complete)

    parts = []
    for title, quality, tolerance in (
        ("complete by the checker", whole, 0.0),
        (f"mixed score (equal within {MIXED_TOLERANCE})", blend, MIXED_TOLERANCE),
    ):
        parts.append(f"Mean of {title}:\n\n{_means(found, quality, exact=not tolerance)}")
        parts.append(
            f"Share of prompts won, the cheapest of the best, by {title}:\n\n"
            f"{_won(found, quality, tolerance)}"
        )
    return "\n\n".join(parts)


def _means(found: Evaluation, quality: Quality, *, exact: bool) -> str:
    """Means with their intervals; of a quality that is 0 or 1 (`exact`), Wilson's."""
    rows = []
    for function in found.marks:
        values = [qualities(found, function, quality, kind) for kind in (*CLASSES, None)]
        cells = [Share.over(map(bool, v)) if exact else Mean.of(v) for v in values]
        rows.append([function, *map(str, cells), f"{found.seconds[function]:.3f}"])
    return table(["function", *CLASSES, "all", "seconds"], rows)


def _won(found: Evaluation, quality: Quality, tolerance: float) -> str:
    columns = [wins(found, quality, tolerance, kind) for kind in (*CLASSES, None)]
    rows = [[function, *(str(won[function]) for won in columns)] for function in columns[-1]]
    return table(["function", *CLASSES, "all"], rows)
