"""A picture as rows and back: plain columns, by hand, nothing lost. It knows nothing of SQLite."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from cems_tui.domain.bench import BenchPrompt
from cems_tui.domain.decision import RoutingDecision
from cems_tui.domain.function import StageBytes
from cems_tui.domain.generation import Generation, Seconds
from cems_tui.domain.savings import (
    PricedFunction,
    Role,
    RoutedPicture,
    beside,
    roles,
    routed_picture,
)
from cems_tui.domain.score import Score
from cems_tui.errors import GenerationError
from cems_tui.typed import LARGEST_INT

LARGEST_INTEGER = 2**63 - 1
"""What SQLite's integers hold."""

Row = Mapping[str, Any]


def generation_row(generation: Generation, home: Path) -> dict[str, Any]:
    """The columns of `generations`.

    Args:
        home: the database's folder; a picture inside it is named from there.

    Raises:
        GenerationError: a figure is not finite; it would come back as something else.
    """
    decision = generation.decision
    seconds = asdict(generation.seconds)
    row = {
        "id": generation.id,
        "session": generation.session,
        "created": generation.created,
        "prompt": generation.prompt,
        "negative": generation.negative,
        "function": generation.function,
        "executed": generation.executed,
        "fallback": generation.fallback,
        "image": place_column(generation.image, home),
        "seed": _seed_column(generation.seed),
        "width": generation.width,
        "height": generation.height,
        "steps": generation.steps,
        "guidance": generation.guidance,
        "sampler": generation.sampler,
        "model": generation.model,
        "router": decision.router,
        "metric": decision.metric,
        "policy": decision.policy.kind,
        "policy_value": decision.policy.value,
        **{f"seconds_{part}": value for part, value in seconds.items()},
        "peak_memory_bytes": generation.peak_memory_bytes,
        "energy_wh": generation.energy_wh,
        "energy_usd": generation.energy_usd,
        "cost_usd": generation.cost_usd,
        "cost_source": generation.cost_source,
        "load_cost_usd": generation.load_cost_usd,
        "load_bytes": generation.load_bytes,
        "held_bytes": generation.held_bytes,
        **stage_columns(generation.stage_bytes),
        "precision": generation.precision,
        "contention": generation.contention,
        "score_error": generation.score_error,
        "decision": decision_column(decision),
        **_foresight_columns(generation),
    }
    return recordable(row, f"the picture {generation.id}")


def _foresight_columns(generation: Generation) -> dict[str, Any]:
    """What was predicted of what ran and what it measured, on the router's scale; and what rows
    are grouped and paired by."""
    decision, score = generation.decision, generation.foreseen_score
    ran = next((c for c in decision.candidates if c.function == generation.executed), None)
    low, high = (ran and ran.interval) or (None, None)
    measured = None
    if score is not None:
        measured = score.value if score.higher_is_better else -score.value
    return {
        "day": local_day(generation.created),
        "prompt_id": prompt_id(generation.prompt, generation.negative),
        "router_sha256": decision.router_sha256,
        "scorer": decision.scorer if score is None else score.scorer,
        "predicted_quality": None if ran is None else ran.quality,
        "predicted_low": low,
        "predicted_high": high,
        "measured_quality": measured,
    }


def local_day(created: str) -> str:
    """The day a moment is in, where the program runs; `created` itself where it is no moment."""
    try:
        return datetime.fromisoformat(created).astimezone().date().isoformat()
    except (ValueError, OverflowError):
        return created[:10]


def prompt_id(prompt: str, negative: str) -> str | None:
    """The name benchmarks have for a prompt; None of one that a negative prompt went with."""
    return None if negative else BenchPrompt.of(prompt).id


def candidate_rows(generation: Generation) -> list[dict[str, Any]]:
    """The columns of `candidates`, in the order the policy left them."""
    picture = routed_picture(generation.decision, generation.executed)
    parts = {} if picture is None else roles(picture)
    rows = []
    for position, candidate in enumerate(generation.decision.candidates):
        row = asdict(candidate)
        low, high = row.pop("interval") or (None, None)
        cost_low, cost_high = row.pop("cost_interval") or (None, None)
        apart = row.pop("difference") or {"to": None, "quality": None, "least": None}
        from_, to = apart.pop("interval", (None, None))
        evicts = row.pop("evicts")
        row |= {
            "difference_to": apart["to"],
            "difference_quality": apart["quality"],
            "difference_low": from_,
            "difference_high": to,
            "difference_least": apart["least"],
            "generation": generation.id,
            "position": position,
            "evicts": None if evicts is None else json.dumps(evicts),
            "interval_low": low,
            "interval_high": high,
            "cost_low": cost_low,
            "cost_high": cost_high,
            **_comparison_columns(candidate.function, picture, parts),
        }
        rows.append(recordable(row, f"the candidate {candidate.function} of {generation.id}"))
    return rows


def _comparison_columns(
    function: str,
    picture: RoutedPicture | None,
    parts: Mapping[Role, Sequence[PricedFunction]],
) -> dict[str, Any]:
    """What the picture is compared with that function as, and what was gained over it."""
    other = next((one for one in parts.get("any", ()) if one.function == function), None)
    if picture is None or other is None:
        return {"compared": 0}
    sums = beside(picture.ran, other)
    return {
        "compared": 1,
        "cheapest": int(other in parts["cheapest"]),
        "dearest": int(other in parts["dearest"]),
        "ran_usd": picture.ran.cost_usd,
        "gained": sums.gained if sums.gains else None,
        "gained_variance": sums.variance if sums.spreads else None,
    }


def score_rows(generation: Generation) -> list[dict[str, Any]]:
    """The columns of `scores`, in the order they were read."""
    return [
        recordable(
            {"generation": generation.id, "position": position, **asdict(score)},
            f"the score {score.metric} of {generation.id}",
        )
        for position, score in enumerate(generation.scores)
    ]


def check(generation: Generation) -> None:
    """Refuse what could not be recorded as it is.

    Raises:
        GenerationError: a figure is not finite.
    """
    generation_row(generation, generation.image.parent)
    candidate_rows(generation)
    score_rows(generation)


def generation_of(
    row: Row, candidates: Sequence[Row], scores: Sequence[Row], home: Path
) -> Generation:
    """The picture these rows are about; `candidates` and `scores` in order of position.

    Raises ValueError, TypeError or KeyError of what no picture can have.

    Args:
        home: the database's folder, which relative paths start from.
    """
    return Generation(
        id=row["id"],
        session=row["session"],
        prompt=row["prompt"],
        negative=row["negative"],
        function=row["function"],
        executed=row["executed"],
        fallback=row["fallback"],
        image=home / row["image"],
        seed=_seed_of(row["seed"]),
        width=row["width"],
        height=row["height"],
        steps=row["steps"],
        guidance=row["guidance"],
        sampler=row["sampler"],
        model=row["model"],
        seconds=_seconds_of(row),
        peak_memory_bytes=row["peak_memory_bytes"],
        energy_wh=row["energy_wh"],
        energy_usd=row["energy_usd"],
        cost_usd=row["cost_usd"],
        cost_source=row["cost_source"],
        load_cost_usd=row["load_cost_usd"],
        load_bytes=row["load_bytes"],
        held_bytes=row["held_bytes"],
        stage_bytes=stages_of(row),
        precision=row["precision"],
        contention=row["contention"],
        scores=tuple(
            Score(s["metric"], s["value"], s["scorer"], bool(s["higher_is_better"])) for s in scores
        ),
        decision=_decision_of(row, candidates),
        created=row["created"],
        score_error=row["score_error"],
    )


def place_column(place: Path, home: Path) -> str:
    """A file as rows name it: from the home where it lies inside, so that a home may move.

    What lies elsewhere is named absolutely, and stays found when the home moves.
    """
    within = _below(place, home)
    if within is None:
        within = _below(place.parent.resolve() / place.name, home.resolve())
    return str(place.absolute()) if within is None else within


def _below(place: Path, home: Path) -> str | None:
    if not place.is_relative_to(home):
        return None
    within = place.relative_to(home)
    return None if ".." in within.parts else within.as_posix()


def decision_column(decision: RoutingDecision) -> str:
    """The decision as JSON without its candidates, which have a table of their own."""
    said = decision.to_json()
    del said["candidates"]
    try:
        return json.dumps(said, ensure_ascii=True, allow_nan=False)
    except ValueError as error:
        raise GenerationError("the decision holds a figure that is not finite") from error


def recordable(row: dict[str, Any], what: str) -> dict[str, Any]:
    """The row, numbers of numpy's made Python's.

    Raises:
        GenerationError: a figure is NaN or infinite (SQLite keeps the one as null, and JSON has
            neither), a whole number is too large, or a text is not valid UTF-8.
    """
    for name, value in row.items():
        if hasattr(value, "item"):
            row[name] = value = value.item()
        match value:
            case float() if not math.isfinite(value):
                raise GenerationError(f"{name} of {what} is {value}, which cannot be recorded")
            case int() if abs(value) > LARGEST_INTEGER:
                raise GenerationError(f"{name} of {what} is too large to be recorded")
            case str() if any("\ud800" <= letter <= "\udfff" for letter in value):
                raise GenerationError(f"{name} of {what} is not valid UTF-8")
    return row


def _seed_column(seed: int) -> int | str:
    return seed if -LARGEST_INTEGER <= seed <= LARGEST_INTEGER else str(seed)


def _seed_of(column: int | str) -> int:
    """The seed of a column; raises ValueError where it is none."""
    if not isinstance(column, int | str) or not -LARGEST_INT <= int(column) <= LARGEST_INT:
        raise ValueError("its seed is none")
    return int(column)


def stage_columns(stages: StageBytes) -> dict[str, int | None]:
    """`bytes_encode`, `bytes_denoise`, `bytes_decode`."""
    return {f"bytes_{stage}": size for stage, size in stages.to_json().items()}


def stages_of(row: Row | sqlite3.Row) -> StageBytes:
    """What `stage_columns` wrote."""
    return StageBytes(row["bytes_encode"], row["bytes_denoise"], row["bytes_decode"])


def _seconds_of(row: Row) -> Seconds:
    parts = ("start", "load", "encode", "denoise", "decode", "score", "total")
    return Seconds(**{part: row[f"seconds_{part}"] for part in parts})


def _decision_of(row: Row, candidates: Sequence[Row]) -> RoutingDecision:
    """The decision as it was taken, candidates put back."""
    said = json.loads(row["decision"])
    said["candidates"] = [_candidate_json(candidate) for candidate in candidates]
    return RoutingDecision.from_json(said)


def _candidate_json(row: Row) -> dict[str, Any]:
    said = dict(row)
    low, high = said["interval_low"], said["interval_high"]
    said["interval"] = None if low is None or high is None else [low, high]
    low, high = said["cost_low"], said["cost_high"]
    said["cost_interval"] = None if low is None or high is None else [low, high]
    said["evicts"] = None if said["evicts"] is None else json.loads(said["evicts"])
    said["difference"] = None
    if said["difference_to"] is not None:
        said["difference"] = {
            "to": said["difference_to"],
            "quality": said["difference_quality"],
            "interval": [said["difference_low"], said["difference_high"]],
            "least": said["difference_least"],
        }
    for flag in ("priced", "installed", "resident", "allowed"):
        said[flag] = bool(said[flag])
    said["fits"] = None if said["fits"] is None else bool(said["fits"])
    return said
