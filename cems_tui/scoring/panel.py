"""The scorers at hand, each loaded when first needed, with the scales derived from them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cems_tui.domain.score import METRIC, MixedScale, Score
from cems_tui.errors import CemsError
from cems_tui.scoring.runtime import release_device

if TYPE_CHECKING:
    from PIL.Image import Image


class Scorer(Protocol):
    """An instrument that reads one metric off pictures; dropping it frees its weights."""

    @property
    def metric(self) -> str: ...

    @property
    def id(self) -> str:
        """Name and weights digest; scores of different ids are never compared."""
        ...

    @property
    def higher_is_better(self) -> bool: ...

    @property
    def weight_bytes(self) -> int:
        """Bytes its weights hold on the device it reads on."""
        ...

    def score(self, images: Sequence[Image], prompts: Sequence[str]) -> list[float]:
        """One value a picture, in the metric's unit.

        Raises:
            WeightsError: the scorer's weights are missing or not those expected.
            GenerationError: a reading is not a number.
            OutOfMemory: the device has no room for the reading.
        """
        ...


class Judges(Protocol):
    """Every scorer at hand, read in one go."""

    def read(
        self, images: Sequence[Image], prompts: Sequence[str], model: str = ""
    ) -> list[tuple[Score, ...]]:
        """The scores of each picture that a model drew, derived scales (mixed) included."""
        ...

    def notes(self, model: str) -> Sequence[str]:
        """What the user should know of the metrics that are not read off its pictures."""
        ...

    def free(self) -> Sequence[str]:
        """Let go of all weights; the names of the scorers that were loaded."""
        ...


class Derived(Protocol):
    """A scale computed from other scales' readings, such as CEMS's mixed score."""

    def read(self, scores: Sequence[Score]) -> Score | None:
        """The derived reading; None when a scale or instrument it needs is missing."""
        ...


@dataclass(frozen=True, slots=True)
class LazyScorer:
    """An instrument that is loaded when it is first needed."""

    name: str
    load: Callable[[], Scorer]
    weight_bytes: int | None = None
    """What its weights will hold, as its files say; None is unknown."""


@dataclass(frozen=True, slots=True)
class ScorerChoice:
    """Who reads a model's pictures, and what the user should know of who does not."""

    scorers: tuple[LazyScorer, ...]
    notes: tuple[str, ...] = ()


class ScorerRoom(Protocol):
    """Where instruments are kept between two readings."""

    def lend(self, lazy: LazyScorer) -> AbstractContextManager[Scorer]:
        """The instrument, loaded if need be; it stays until the block ends.

        Raises:
            OutOfMemory: there is no room for it.
            WeightsError: its weights are missing or damaged.
        """
        ...

    def free(self) -> Sequence[str]:
        """Let go of all that is not in use; the names of what left."""
        ...


class OwnRoom:
    """Keeps every instrument once it was loaded, in a process that nothing else needs."""

    def __init__(self) -> None:
        self._scorers: dict[str, Scorer] = {}

    @contextmanager
    def lend(self, lazy: LazyScorer) -> Iterator[Scorer]:
        """As `ScorerRoom.lend`."""
        if lazy.name not in self._scorers:
            self._scorers[lazy.name] = lazy.load()
        yield self._scorers[lazy.name]

    def free(self) -> tuple[str, ...]:
        """As `ScorerRoom.free`."""
        names = tuple(self._scorers)
        self._scorers.clear()
        if names:
            release_device()
        return names


class Panel:
    """Reads every metric off pictures in one go."""

    def __init__(
        self,
        choose: Callable[[str], ScorerChoice],
        derived: Callable[[Sequence[Score]], Sequence[Derived]] = lambda scores: (),
        metrics: Sequence[str] | None = None,
        room: ScorerRoom | None = None,
    ) -> None:
        """Load nothing yet.

        Args:
            choose: who reads the pictures of a model, by its name.
            derived: the scales on top of these readings.
            metrics: those told; None tells all that were read.
            room: where the instruments are kept; None keeps each once it was loaded.
        """
        self._choose = choose
        self._derived = derived
        self._metrics = None if metrics is None else frozenset(metrics)
        self._room = OwnRoom() if room is None else room
        self._told: set[str] = set()

    def notes(self, model: str) -> tuple[str, ...]:
        """What the user should know before this model's pictures are read; each said once."""
        fresh = tuple(note for note in self._choose(model).notes if note not in self._told)
        self._told.update(fresh)
        return fresh

    def read(
        self, images: Sequence[Image], prompts: Sequence[str], model: str = ""
    ) -> list[tuple[Score, ...]]:
        """The scores of each picture that a model drew, derived scales last.

        Raises:
            WeightsError: a scorer's weights are missing or damaged.
            GenerationError: a scorer failed.
            OutOfMemory: the device has no room for a scorer.
        """
        readings: list[list[Score]] = [[] for _ in images]
        for lazy in self._choose(model).scorers:
            with self._room.lend(lazy) as scorer:
                values = scorer.score(images, prompts)
            for reading, value in zip(readings, values, strict=True):
                reading.append(Score(scorer.metric, value, scorer.id, scorer.higher_is_better))
        for reading in readings:
            reading.extend(
                score
                for scale in self._derived(reading)
                if (score := scale.read(reading)) is not None
            )
        return [tuple(score for score in reading if self._tells(score)) for reading in readings]

    def free(self) -> tuple[str, ...]:
        """Let go of every instrument's weights; the names of those that were loaded."""
        return tuple(self._room.free())

    def _tells(self, score: Score) -> bool:
        return self._metrics is None or score.metric in self._metrics


class MixedReading:
    """CEMS's mixed score, read off the NIMA and CLIP readings of the scorers it was fitted on."""

    def __init__(self, scale: MixedScale) -> None:
        self._scale = scale

    def read(self, scores: Sequence[Score]) -> Score | None:
        """The mixed score; None when either reading is missing or another instrument's."""
        by_scorer = {score.scorer: score.value for score in scores}
        nima = by_scorer.get(self._scale.nima_scorer)
        clip = by_scorer.get(self._scale.clip_scorer)
        if nima is None or clip is None:
            return None
        return Score(METRIC, self._scale.score(nima, clip), self._scale.id)


# Scores of one picture, with the seconds they took, or why there are none.


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
