"""A folder of other tools' pictures as rows of a score table: what they say of themselves, read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cems_tui.bench.foreign_pictures import Told, pictures_in, told_by
from cems_tui.cancel import Stop, refuse_stopped
from cems_tui.domain.bench import BenchPrompt
from cems_tui.domain.score import Score
from cems_tui.errors import UsageError
from cems_tui.files import picture_file
from cems_tui.scoring.panel import Judges, judged

TOLD_EVERY = 100
"""Pictures."""


@dataclass(frozen=True, slots=True)
class PictureLog:
    """What a folder held."""

    rows: Sequence[Mapping[str, Any]]
    """Long-form rows: a score each; a metric that was not read is a row without one."""

    scorers: Mapping[str, str]
    """The instrument of each metric."""

    bad: Sequence[tuple[Path, str]]
    """Files that could not be taken, and why."""


def read_log(
    folder: Path,
    judges: Judges | None,
    metrics: Sequence[str],
    tell: Callable[[str], None],
    stop: Stop,
) -> PictureLog:
    """Every picture of a folder that says what it was made of, scored.

    The same prompt, function and seed twice is one picture: the first is taken.

    Args:
        judges: read every picture; None reads none.
        metrics: those asked for, the first of which stands for all where none can be read.

    Raises:
        UsageError: no picture can be taken.
        Interrupted: `stop` said so.
    """
    rows: list[Mapping[str, Any]] = []
    scorers: dict[str, str] = {}
    bad: list[tuple[Path, str]] = []
    seen: set[tuple[str, str, int | None]] = set()
    for number, path in enumerate(pictures_in(folder), start=1):
        refuse_stopped(stop)
        if number % TOLD_EVERY == 0:
            tell(f"{number:,} pictures looked at")
        try:
            told = told_by(path)
            key = (told.prompt, told.function, told.seed)
            if told.seed is not None and key in seen:
                raise UsageError(f"{path} is there twice", "")
            scores = _scores(path, told, judges)
        except UsageError as error:
            bad.append((path, str(error).removeprefix(f"{path} ")))
            continue
        seen.add(key)
        scorers.update({score.metric: score.scorer for score in scores})
        rows += _rows(told, scores, metrics)
    if not rows:
        why = f"; the first: {bad[0][1]}" if bad else ""
        raise UsageError(
            f"no picture in {folder} says what it was made of{why}",
            "Name a folder of pictures of A1111, ComfyUI, InvokeAI or cems.",
        )
    return PictureLog(rows, scorers, bad)


def _scores(path: Path, told: Told, judges: Judges | None) -> tuple[Score, ...]:
    if judges is None:
        return ()
    try:
        with picture_file(path, ("PNG", "JPEG", "WEBP")) as file:
            image = file.convert("RGB")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error}", "Use the original file.") from error
    found = judged(judges, image, told.prompt, told.model or "")
    if found.error is not None:
        raise UsageError(f"{path} could not be scored: {found.error}", "")
    return found.scores


def _rows(told: Told, scores: Sequence[Score], metrics: Sequence[str]) -> list[Mapping[str, Any]]:
    said = {
        "prompt_id": BenchPrompt.of(told.prompt).id,
        "prompt": told.prompt,
        "function": told.function,
        "seed": None if told.seed is None else str(told.seed),
        "group": told.tool,
    }
    if not scores:
        return [{**said, "metric": metrics[0], "score": None, "higher_is_better": True}]
    return [
        {
            **said,
            "metric": score.metric,
            "score": score.value,
            "higher_is_better": score.higher_is_better,
        }
        for score in scores
    ]
