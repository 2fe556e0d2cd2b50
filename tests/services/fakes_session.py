"""A session's parts with their real shapes and none of the weight."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from cems_tui.domain.decision import Candidate, Policy, RoutingDecision
from cems_tui.domain.function import Expected, GenerationFunction, Model
from cems_tui.domain.generation import Generation
from cems_tui.domain.note import Note
from cems_tui.domain.request import Request
from cems_tui.domain.score import Score
from cems_tui.errors import Interrupted, OutOfMemory, WeightsError
from cems_tui.generation.pipeline import Job, MakeRoom, Picture, nothing_to_free

BASE = Model("tiny-base", "fake", "MIT", "here", path=Path("/nowhere"))
SMALL = Model("tiny-small", "fake", "MIT", "here", path=Path("/nowhere"))
FUNCTIONS = {
    "tiny-base@4": GenerationFunction("tiny-base@4", BASE, 4, 2.0, 8, 8),
    "tiny-base@8": GenerationFunction("tiny-base@8", BASE, 8, 2.0, 8, 8),
    "tiny-small@4": GenerationFunction("tiny-small@4", SMALL, 4, 2.0, 8, 8),
}


def request(prompt: str = "a cat", function: str = "tiny-base@4", **options: object) -> Request:
    return Request("01REQUEST", prompt, Policy.pinned(function), **options)  # type: ignore[arg-type]


class FakePlanner:
    """Chooses what is pinned."""

    def __init__(self, notes: Sequence[Note] = ()) -> None:
        self._notes = tuple(notes)

    def decide(
        self, request: Request, resident: frozenset[str], *, installed_only: bool
    ) -> RoutingDecision:
        choice = str(request.policy.value) if request.policy.kind == "pinned" else None
        candidates = tuple(
            Candidate(
                function=name,
                rank=rank,
                quality=1.0,
                interval=(0.9, 1.1),
                quality_source="router",
                probability=None,
                cost_usd=0.001 * rank,
                cost_source="estimated",
                priced=True,
                load_cost_usd=None,
                seconds=1.0,
                memory_bytes=1000,
                load_seconds=None,
                utility=1.0,
                installed=True,
                resident=function.model.name in resident,
                fits=True,
                allowed=True,
            )
            for rank, (name, function) in enumerate(FUNCTIONS.items(), 1)
        )
        return RoutingDecision(
            request.prompt,
            choice,
            "fake",
            "mixed",
            request.policy,
            None,
            "pinned" if choice else "nothing is installed",
            0.1,
            0.1,
            True,
            candidates,
            self._notes,
        )

    def function(self, name: str) -> GenerationFunction:
        return FUNCTIONS[name]

    def expected(
        self,
        function: GenerationFunction,
        width: int,
        height: int,
        resident: Collection[str] = (),
    ) -> Expected:
        return Expected(load_seconds=2.0)


@dataclass
class FakePipeline:
    """Draws one colour a seed; fails as it is told."""

    weight_bytes: int = 1_000_000
    fail: list[Exception] = field(default_factory=list)
    notes: tuple[Note, ...] = ()
    given: list[Job] = field(default_factory=list)

    @property
    def weights(self) -> dict[str, int]:
        return {"fake": self.weight_bytes}

    @property
    def names(self) -> dict[str, str]:
        return {"fake": "all of it"}

    def generate(
        self,
        job: Job,
        on_step: Callable[[int, int], None],
        stop: Callable[[], bool],
        make_room: MakeRoom = nothing_to_free,
    ) -> Picture:
        self.given.append(job)
        if self.fail:
            raise self.fail.pop(0)
        for step in range(1, job.steps + 1):
            if stop():
                raise Interrupted("stopped")
            on_step(step, job.steps)
        colour = (job.seed % 256, (job.seed >> 8) % 256, 0)
        image = Image.new("RGB", (job.width, job.height), colour)
        return Picture(image, 0.1, 0.2, 0.1, 24, "Fake", self.notes)

    def close(self) -> None: ...


@dataclass
class FakeLease:
    pipeline: FakePipeline
    load_seconds: float
    load_bytes: int


class FakeResidency:
    """Keeps what it lent."""

    def __init__(self, pipeline: FakePipeline) -> None:
        self._pipeline = pipeline
        self.models: set[str] = set()
        self.offloads = False
        self.whole_fits: bool | None = None
        self.leased_in_parts: list[bool] = []

    def fits(self, function: GenerationFunction, beside_bytes: int | None = None) -> bool | None:
        return self.whole_fits

    @contextmanager
    def lease(
        self,
        function: GenerationFunction,
        beside_bytes: int | None = None,
        *,
        in_parts: bool = False,
    ) -> Iterator[FakeLease]:
        self.leased_in_parts.append(in_parts)
        first = function.model.name not in self.models
        self.models.add(function.model.name)
        yield FakeLease(self._pipeline, 2.0 if first else 0.0, 1_000_000 if first else 0)

    def resident(self) -> frozenset[str]:
        return frozenset(self.models)

    def free(self, model: str) -> bool:
        self.models.discard(model)
        return True

    def relieve(self) -> tuple[str, ...]:
        return ()

    def close(self) -> None:
        self.models.clear()


class FakeJudges:
    """Reads the same scores off everything, or fails."""

    def __init__(self, broken: bool = False, notes: tuple[str, ...] = ()) -> None:
        self._broken = broken
        self._notes = notes
        self.loaded: tuple[str, ...] = ()

    def read(
        self, images: Sequence[Image.Image], prompts: Sequence[str], model: str = ""
    ) -> list[tuple[Score, ...]]:
        if self._broken:
            raise WeightsError("the scorer's weights are damaged")
        self.loaded = ("fake-nima",)
        return [(Score("nima", 5.0, "fake-nima:sha256:0"),) for _ in images]

    def notes(self, model: str) -> tuple[str, ...]:
        return self._notes

    def free(self) -> tuple[str, ...]:
        freed, self.loaded = self.loaded, ()
        return freed


class Committed:
    """Remembers what was committed."""

    def __init__(self) -> None:
        self.generations: list[Generation] = []

    def __call__(self, image: Image.Image, generation: Generation) -> None:
        self.generations.append(generation)


def out_of_memory() -> OutOfMemory:
    return OutOfMemory("tiny-base needs 2 MB, 1 MB is free")
