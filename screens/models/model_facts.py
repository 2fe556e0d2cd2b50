"""What is told of one model, of a pull before it starts, of a removal: facts for sheets."""

from __future__ import annotations

from collections.abc import Sequence

from cems_tui.errors import CemsError
from cems_tui.models.plan import PullPlan
from cems_tui.models.queue import Pull
from cems_tui.models.remove import Removal
from cems_tui.services.library import Library, ModelFacts, Recommended
from cems_tui.text import byte_count, counted, visible
from cems_tui.views.figures import DOLLARS, Money
from cems_tui.views.model_sheet import GATED, NONCOMMERCIAL, licence, reason, sheet, size
from screens import figures
from screens.widgets.facts import Fact


def model(facts: ModelFacts, pull: Pull | None, key: str, money: Money = DOLLARS) -> list[Fact]:
    """How its pull goes, then everything about it.

    Args:
        key: the key that resumes a paused pull.
    """
    found = [Fact("pull", pull_words(pull, key), "bold $quality")] if pull else []
    return found + [
        Fact(line.name, line.text, "$quality" if line.weight == "good" else "")
        for line in sheet(facts, money)
    ]


def pull_words(pull: Pull, key: str) -> str:
    """How a pull goes, in one line that says what to do."""
    share = "" if pull.share is None else f" at {figures.percent(pull.share)}"
    match pull.state:
        case "waiting":
            return "waits for the one before it"
        case "paused":
            return f"{paused_words(pull)}, {key} resumes"
        case "failed":
            return " · ".join(visible(text) for text in (pull.note, pull.hint) if text)
        case "asking":
            return visible(pull.note) or "asking the Hub what there is to fetch"
    parts = [f"{pull.state}{share}"]
    if pull.done_bytes is not None and pull.total_bytes:
        parts.append(of_bytes(pull.done_bytes, pull.total_bytes))
    if pull.bytes_per_second:
        parts.append(figures.speed(pull.bytes_per_second))
    if pull.seconds_left is not None:
        parts.append(f"{figures.clock(pull.seconds_left)} left")
    if pull.note:
        parts.append(visible(pull.note))
    return " · ".join(parts)


def paused_words(pull: Pull) -> str:
    """`paused at 41 %`."""
    at = "before it began" if pull.share is None else f"at {figures.percent(pull.share)}"
    return f"paused {at}"


def of_bytes(done: int, total: int) -> str:
    """`2.8 of 6.9 GB`: the unit of the total for both."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if total >= scale:
            return f"{done / scale:.1f} of {total / scale:.1f} {unit}"
    return f"{done} of {counted(total, 'byte')}"


def planned(facts: ModelFacts | None, plans: Sequence[PullPlan]) -> list[Fact]:
    """A pull before it starts: how much, how much room, which licence, which files."""
    found: list[Fact] = []
    fetch, free = sum(p.download_bytes for p in plans), min(p.free_bytes for p in plans)
    have = sum(p.total_bytes for p in plans) - fetch
    here = f"; {byte_count(have)} is here already" if have else ""
    found.append(Fact("fetch", f"{byte_count(fetch)}{here}", "bold"))
    left = free - fetch
    if left < 0:
        found.append(Fact("disk", f"✗ {byte_count(free)} free: {byte_count(-left)} too little. "
                          "d on another model frees some.", "bold $error"))  # fmt: skip
    else:
        found.append(Fact("disk", f"{byte_count(free)} free, {byte_count(left)} left then"))
    for plan in plans:
        found.append(Fact("licence", plan_licence(plan), "$warning" if asks(plan) else ""))
        found.append(Fact("from", f"{visible(plan.repo)} at {plan.revision[:12]}"))
    if facts is not None and facts.reason:
        found.append(Fact("fit", reason(facts)))
    functions = dict.fromkeys(name for plan in plans for name in plan.functions)
    names = [one.function.name for one in facts.functions] if facts else list(functions)
    if names:
        found.append(Fact("gives", visible(", ".join(names))))
    notes = [note for plan in plans for note in plan.notes]
    found += [Fact("note", visible(note), "$warning") for note in notes]
    files = [file for plan in plans for file in plan.files]
    found += [
        Fact("" if number else "files", f"{byte_count(file.bytes):>10}  {visible(file.path)}")
        for number, file in enumerate(files)
    ]
    return found


def asks(plan: PullPlan) -> bool:
    """Whether its licence asks something of the user."""
    return plan.gated or plan.noncommercial


def plan_licence(plan: PullPlan) -> str:
    """The licence, and what it asks."""
    why = [text for text, holds in ((GATED, plan.gated), (NONCOMMERCIAL, plan.noncommercial))
           if holds]  # fmt: skip
    return " · ".join([visible(plan.licence or "not stated"), *why])


def asking(name: str, facts: ModelFacts | None) -> list[Fact]:
    """What is known before the Hub has answered."""
    found = [Fact("hub", f"asking what pulling {visible(name)} would fetch …", "$muted")]
    if facts is not None:
        found += [Fact("size", size(facts)), Fact("licence", licence(facts))]
        found.append(Fact("fit", reason(facts)))
    return found


def refused(name: str, error: CemsError) -> list[Fact]:
    """It cannot be pulled now: why, and what to do."""
    found = [Fact("hub", f"✗ {visible(str(error))}", "bold $error")]
    if error.hint:
        found.append(Fact("do", visible(error.hint)))
    return found


def recommended(library: Library) -> list[Fact]:
    """The recommended set: what it costs in all, then each model with its reason."""
    chosen = library.recommended
    total = sum(one.bytes or 0 for one in chosen)
    found = []
    if chosen:
        models = counted(len(chosen), "model")
        found.append(Fact("fetch", f"~{byte_count(total)} in all, {models}", "bold"))
        if library.free_bytes is not None:
            left = library.free_bytes - total
            text = f"{byte_count(library.free_bytes)} free, "
            text += f"{byte_count(left)} left then" if left >= 0 else "✗ too little for all of it"
            found.append(Fact("disk", text, "" if left >= 0 else "bold $error"))
        found.append(Fact("", ""))
    for one in chosen:
        found += _recommended(one)
    if library.recommended_note:
        found.append(Fact("note", visible(library.recommended_note), "$muted"))
    return found


def removal(found: Removal, pull: Pull | None) -> list[Fact]:
    """What removing a model frees, what stays, and why."""
    facts = [Fact("frees", byte_count(found.freed_bytes), "bold")]
    if pull is not None:
        facts.append(Fact("pull", "its pull is cancelled"))
    facts += [Fact("goes", str(path)) for path in found.paths]
    facts += [
        Fact("stays", f"its files: {visible(name)} uses them too", "$warning")
        for name in found.shared_with
    ]
    facts += [Fact("stays", f"{path} ({visible(why)})") for path, why in found.kept]
    facts += [
        Fact("first", f"{visible(name)} links to its files and has to go before it", "bold $error")
        for name in found.linked_by
    ]
    return facts


def _recommended(one: Recommended) -> list[Fact]:
    size = "" if one.bytes is None else f"~{byte_count(one.bytes)}"
    found = [
        Fact(visible(one.model), size, "bold", "bold $quality"),
        Fact("", visible(one.reason)),
    ]
    if one.asks:
        found.append(
            Fact("", f"licence {visible(one.licence)}: asks for your agreement", "$warning")
        )
    return [*found, Fact("", "")]
