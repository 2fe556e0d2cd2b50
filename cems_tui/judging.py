"""Scores of one picture, with the seconds they took, or why there are none."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cems_tui.errors import CemsError
from cems_tui.parts import Judges
from cems_tui.quality.score import Score

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class Judged:
    """What the scorers said of a picture."""

    scores: tuple[Score, ...] = ()
    seconds: float | None = None
    """None when nothing was read."""

    error: str | None = None
    """Why a scorer failed; then there are no scores."""


def judged(judges: Judges | None, image: Image, prompt: str, model: str) -> Judged:
    """The scores of a picture that a model drew; a scorer that fails is told, not raised."""
    if judges is None:
        return Judged()
    began = time.perf_counter()
    try:
        [scores] = judges.read([image], [prompt], model)
    except CemsError as error:
        return Judged(error=str(error))
    return Judged(scores, time.perf_counter() - began if scores else None)
