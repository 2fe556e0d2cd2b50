"""Everything told of one model, line by line, whoever draws it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cems_tui.services.library import FunctionFacts, ModelFacts
from cems_tui.text import byte_count, counted, visible
from cems_tui.views.figures import DOLLARS, Money, seconds
from cems_tui.views.model_list import FIT

GATED = "its authors ask you to accept conditions on the Hub first"
NONCOMMERCIAL = "noncommercial use only"
UNKNOWN_SIZE = "not known before the Hub is asked"


@dataclass(frozen=True, slots=True)
class SheetLine:
    """One line of a sheet; without a name it continues the one above."""

    name: str
    text: str
    weight: Literal["plain", "good"] = "plain"


def sheet(facts: ModelFacts, money: Money = DOLLARS) -> list[SheetLine]:
    """Everything about a model, what matters for a decision first."""
    model = facts.model
    found = [SheetLine("is", visible(model.summary))] if model.summary else []
    here = f"{FIT[facts.fit]}. {reason(facts)}" if facts.fit != "unknown" else reason(facts)
    found.append(SheetLine("here" if model.installed else "fit", here))
    found += _under("disk", [visible(text) for text in facts.verdict], "good")
    found += _under("adds", [visible(text) for text in facts.evidence])
    if facts.recommended is not None:
        found.append(SheetLine("pull it", visible(facts.recommended)))
    found.append(SheetLine("licence", licence(facts)))
    found += _under("draws", [_function(one, money) for one in facts.functions])
    found += [
        SheetLine("size", size(facts)),
        SheetLine("family", visible(model.family)),
        SheetLine("source", visible(model.source)),
    ]
    if model.role:
        found.append(SheetLine("helps as", visible(model.role)))
    if facts.revision:
        found.append(SheetLine("commit", facts.revision[:12]))
    if model.path is not None:
        found.append(SheetLine("path", visible(str(model.path))))
    return found + _under(
        "files", [f"{visible(path)} · {byte_count(size)}" for path, size in facts.files]
    )


def size(facts: ModelFacts) -> str:
    """What it takes of the disk and of the device."""
    about = "~" if facts.disk_estimated else ""
    where = "on this disk" if facts.model.installed else "to fetch"
    disk = UNKNOWN_SIZE if facts.disk_bytes is None else f"{about}{byte_count(facts.disk_bytes)}"
    memory = "" if facts.memory_bytes is None else byte_count(facts.memory_bytes)
    guess = "~" if facts.memory_estimated else ""
    told = f"{disk} {where}" if facts.disk_bytes is not None else disk
    if facts.fetched_bytes:
        told += f", {byte_count(facts.fetched_bytes)} of it is here"
    return f"{told} · {guess}{memory} of the device" if memory else told


def reason(facts: ModelFacts) -> str:
    """Why this machine can hold it, or cannot."""
    if facts.reason:
        return visible(facts.reason)
    return "installed" if facts.model.installed else "not known"


def licence(facts: ModelFacts) -> str:
    """Its licence, what that asks, and whether the user agreed."""
    parts = [visible(facts.model.licence)]
    parts += [GATED] * facts.model.gated + [NONCOMMERCIAL] * facts.model.noncommercial
    if facts.accepted:
        parts.append("you agreed to it")
    return " · ".join(parts)


def _under(
    name: str, texts: list[str], weight: Literal["plain", "good"] = "plain"
) -> list[SheetLine]:
    return [SheetLine("" if n else name, text, weight) for n, text in enumerate(texts)]


def _function(one: FunctionFacts, money: Money) -> str:
    parts = [visible(one.function.name)]
    if one.seconds is not None:
        measured = one.provenance == "measured"
        where = "measured here" if measured else one.provenance
        parts.append(f"{'' if measured else '~'}{seconds(one.seconds)} {where}")
    parts.append(f"{one.function.width}×{one.function.height}")
    if one.cost_usd is not None:
        parts.append(money.per_thousand(one.cost_usd, estimated=one.provenance != "measured"))
    if one.drawn:
        parts.append(counted(one.drawn, "picture") + " here")
    return " · ".join(parts)
