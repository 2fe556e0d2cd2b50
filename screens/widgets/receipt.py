"""A picture's receipt in words, and the `cems` command that asks for it again."""

from __future__ import annotations

from shlex import quote

from cems_tui.domain.decision import Candidate, RoutingDecision
from cems_tui.domain.generation import Generation
from cems_tui.text import visible
from cems_tui.views.dial import place_words
from cems_tui.views.figures import DOLLARS, UNKNOWN, Money
from cems_tui.views.price_card import fit_words, interval_words, swap_words
from cems_tui.views.receipt import (
    energy_words,
    expected_words,
    load_words,
    measured_words,
    price_interval,
)
from screens import figures
from screens.widgets.facts import Fact


def title(generation: Generation) -> str:
    """What drew it, the seed, and the prompt, which may be cut."""
    said = f"{generation.executed} · seed {generation.seed} · {generation.prompt}"
    return visible(said)


def short_bill(generation: Generation, money: Money = DOLLARS) -> str:
    """Time and price."""
    parts = bill(generation, money).split(" · ")
    return f"{parts[0]} · {parts[-1]}"


def short_scores(generation: Generation) -> str:
    """What was expected and what was read, of the metric that was decided by."""
    chosen, foreseen = generation.decision.chosen, generation.foreseen_score
    if generation.score_error or foreseen is None or chosen is None or chosen.quality is None:
        return scores(generation).split("\n")[0]
    outside = ""
    if chosen.interval is not None:
        low, high = chosen.interval
        outside = "" if low <= foreseen.value <= high else " !"
    return f"promised {chosen.quality:.2f}, is {foreseen.value:.2f}{outside}"


def bill(generation: Generation, money: Money = DOLLARS) -> str:
    """Time, memory and price on one line."""
    estimated = generation.cost_source != "measured"
    return " · ".join(
        (
            figures.seconds(generation.seconds.total),
            figures.gigabytes(generation.peak_memory_bytes),
            money.per_thousand(generation.cost_usd, estimated=estimated)
            if generation.priced
            else "unpriced",
        )
    )


def scores(generation: Generation) -> str:
    """What the instruments read; the metric of the decision first, with what was expected."""
    if generation.score_error:
        return f"not scored: {visible(generation.score_error)}"
    if not generation.scores:
        return "not scored"
    chosen, foreseen = generation.decision.chosen, generation.foreseen_score
    first, others = [], []
    for score in generation.scores:
        if chosen is not None and chosen.quality is not None and score is foreseen:
            first.append(f"{score.metric} {score.value:.2f} (expected {_estimate(chosen)})")
        else:
            others.append(f"{score.metric} {score.value:.2f}")
    return "\n".join(line for line in ("   ".join(first), "   ".join(others)) if line)


def receipt(generation: Generation, money: Money = DOLLARS) -> list[Fact]:
    """Everything about the picture, one fact a line."""
    return [
        Fact("prompt", visible(generation.prompt)),
        Fact("chosen", _chosen(generation), "bold"),
        Fact("why", visible(generation.decision.reason)),
        *noted(generation.decision),
        Fact("scores", scores(generation).replace("\n", "   "), "$quality"),
        Fact("price", _exact(generation, money), "$cost"),
        *_expected(generation, money),
        Fact("seconds", _seconds_line(generation)),
        Fact("memory", figures.gigabytes(generation.peak_memory_bytes)),
        *_energy(generation, money),
        Fact("picture", f"{generation.width}×{generation.height}, seed {generation.seed}"),
        Fact("settings", _settings(generation)),
        Fact("sampler", generation.sampler),
        Fact("file", visible(str(generation.image))),
        Fact("made", generation.created, "$muted"),
        Fact("id", generation.id, "$muted"),
    ]


def _settings(generation: Generation) -> str:
    precision = "" if generation.precision is None else f", {generation.precision}"
    return f"{generation.steps} steps, guidance {generation.guidance:g}{precision}"


def decision_receipt(decision: RoutingDecision, money: Money = DOLLARS) -> list[Fact]:
    """The decision with its exact figures, two lines a candidate."""
    facts = [
        Fact("prompt", visible(decision.prompt)),
        Fact("choice", decision.choice or UNKNOWN, "bold"),
        Fact("why", visible(decision.reason)),
        *([Fact("dial", words)] if (words := place_words(decision)) else []),
        Fact("router", router(decision)),
        *refused(decision),
        *noted(decision),
    ]
    for candidate in decision.candidates:
        facts += _candidate(candidate, decision.metric, money)
    return facts


def noted(decision: RoutingDecision) -> list[Fact]:
    """What the user should know beside the reason."""
    return [Fact("note", visible(note.text), "$warning") for note in decision.notes]


def refused(decision: RoutingDecision) -> list[Fact]:
    """Why the router that was asked is used only when forced; nothing if it earned its place."""
    if decision.refusal is None:
        return []
    return [Fact("refused", visible(decision.refusal), "$warning")]


def as_command(generation: Generation) -> str:
    """The command that draws this picture again."""
    parts = ["cems generate", f"--function {quote(generation.executed)}"]
    parts += [f"--seed {generation.seed}", f"--size {generation.width}x{generation.height}"]
    if generation.negative:
        parts.append(f"--negative={quoted(generation.negative)}")
    return " ".join((*parts, prompt_argument(generation.prompt)))


def quoted(text: str) -> str:
    """One argument of a shell command; control characters are spelled, never pasted raw."""
    if text.isprintable():
        return quote(text)
    spelled = "".join(_spelled(letter) for letter in text)
    return f"$'{spelled}'"


def prompt_argument(prompt: str) -> str:
    """The last argument; a prompt that looks like an option stands behind `--`."""
    return ("-- " if prompt.startswith("-") else "") + quoted(prompt)


def _spelled(letter: str) -> str:
    if letter in "\\'":
        return f"\\{letter}"
    if letter.isprintable():
        return letter
    code = ord(letter)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _chosen(generation: Generation) -> str:
    if generation.fallback is None:
        return visible(generation.executed)
    fallback = generation.fallback
    if generation.function == generation.executed:
        return visible(f"{generation.executed} ({fallback})")
    return visible(f"{generation.function}, but {generation.executed} ran: {fallback}")


def _exact(generation: Generation, money: Money) -> str:
    """What it was measured to cost, exactly too, and what loading cost beside."""
    told = [measured_words(generation, money)]
    if generation.cost_usd is not None:
        told.append(f"{money.total(generation.cost_usd)} this picture")
    loading = load_words(generation, money)
    return "; ".join([*told, *([loading] if loading else [])])


def _expected(generation: Generation, money: Money) -> list[Fact]:
    words = expected_words(generation, money)
    return [Fact("priced", words, "$cost")] if words else []


def _energy(generation: Generation, money: Money) -> list[Fact]:
    words = energy_words(generation, money)
    return [Fact("energy", words, "$cost")] if words else []


def _seconds_line(generation: Generation) -> str:
    spent = generation.seconds
    parts = [
        ("start", spent.start),
        ("load", spent.load),
        ("encode", spent.encode),
        ("denoise", spent.denoise),
        ("decode", spent.decode),
        ("score", spent.score),
        ("other", spent.other),
        ("total", spent.total),
    ]
    return " · ".join(
        f"{name} {UNKNOWN if value is None else f'{value:.2f}'}" for name, value in parts
    )


def router(decision: RoutingDecision) -> str:
    """Who was asked, what it predicts, and how long it took."""
    if decision.router is None:
        return "none was asked"
    took = [value for value in (decision.encode_ms, decision.route_ms) if value is not None]
    spent = f", {sum(took):.1f} ms" if took else ""
    return f"{decision.router}, {decision.metric or 'no metric'}{spent}"


def _candidate(candidate: Candidate, metric: str | None, money: Money) -> list[Fact]:
    price = "unpriced"
    if candidate.cost_usd is not None:
        price = f"{money.per_thousand(candidate.cost_usd)} {candidate.cost_source}"
        interval = price_interval(candidate, money)
        price += f" [{interval}]" if interval else ""
    where = "resident" if candidate.resident else "installed"
    facts = " · ".join(
        (
            price,
            figures.seconds(candidate.seconds),
            swap_words(candidate),
            figures.gigabytes(candidate.memory_bytes),
            *_energy_of(candidate, money),
            where if candidate.installed else "not installed",
            fit_words(candidate),
        )
    )
    promise = f"{metric or 'quality'} {_estimate(candidate)}{_difference(candidate)}"
    return [
        Fact("", ""),
        Fact(f"{candidate.rank}", candidate.function, "bold"),
        Fact("", promise, "$quality"),
        Fact("", facts, "$cost" if candidate.priced else "$muted"),
        *([Fact("", visible(candidate.blocked_by), "$warning")] if candidate.blocked_by else []),
    ]


def _energy_of(candidate: Candidate, money: Money) -> list[str]:
    if candidate.energy_wh is None:
        return []
    return [money.energy(candidate.energy_wh, candidate.energy_usd, estimated=True)]


def _difference(candidate: Candidate) -> str:
    """` · against the pick −0.02, −0.11…+0.09`; empty where it is unknown."""
    apart = candidate.difference
    if apart is None:
        return ""
    ends = interval_words(apart.interval, "+")
    return f" · against the pick {apart.quality:+.2f}".replace("-", "−") + f", {ends}"


def _estimate(candidate: Candidate) -> str:
    if candidate.quality is None:
        return UNKNOWN
    if candidate.interval is None:
        return f"{candidate.quality:.2f}"
    low, high = candidate.interval
    return f"{candidate.quality:.2f}, {low:.2f}…{high:.2f}"
