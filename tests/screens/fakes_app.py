"""A planner and sessions with the real shapes, for the terminal app and its engine process."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from cems_tui import paths
from cems_tui.domain.decision import (
    Candidate,
    DialMeaning,
    Policy,
    QualityEstimate,
    RoutingDecision,
)
from cems_tui.domain.estimate import Neighbour, PromptEstimate
from cems_tui.domain.generation import Generation, Seconds
from cems_tui.domain.note import Note
from cems_tui.domain.request import Event, Generated, Loading, Noted, Request, Routed, Scoring, Step
from cems_tui.domain.score import Score
from cems_tui.errors import ModelMissing, OutOfMemory
from cems_tui.routing.decide.difference import PairedSpread
from cems_tui.routing.explain.explanation import Explanation, explain

PROMPT = "a cat to the left of a red car at night"


def candidate(function: str, rank: int, quality: float | None, **changes: object) -> Candidate:
    """An installed, measured candidate that needs no loading, except for the `changes`."""
    made = Candidate(
        function=function,
        rank=rank,
        quality=quality,
        interval=None if quality is None else (quality - 0.08, quality + 0.07),
        quality_source="unknown" if quality is None else "router",
        probability=None,
        cost_usd=6.833e-6,
        cost_source="measured",
        priced=True,
        load_cost_usd=0.0,
        seconds=0.41,
        memory_bytes=31_000_000,
        load_seconds=0.0,
        utility=quality,
        installed=True,
        resident=True,
        fits=True,
        allowed=True,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


CANDIDATES = (
    candidate("starter-base@8", 1, 1.284, cost_usd=2.75e-6, seconds=0.165, utility=1.282),
    candidate("starter-base@20", 2, 1.31, utility=1.305),
    candidate("starter-base@4", 3, 1.165, cost_usd=1.4e-6, seconds=0.084),
    candidate(
        "starter-small@8",
        4,
        0.97,
        cost_usd=1.18e-6,
        cost_source="estimated",
        seconds=0.071,
        load_seconds=0.4,
        load_cost_usd=6.7e-6,
        memory_bytes=14_000_000,
        resident=False,
    ),
    candidate(
        "sdxl-turbo@4",
        5,
        None,
        cost_usd=1.027e-4,
        cost_source="published",
        seconds=0.616,
        load_seconds=None,
        load_cost_usd=None,
        memory_bytes=9_510_000_000,
        installed=False,
        resident=False,
        fits=False,
        allowed=False,
        utility=None,
    ),
)


_NAMES = tuple(c.function for c in CANDIDATES)
_ZEROS = np.zeros((len(_NAMES), len(_NAMES)))
CERTAIN = PairedSpread(_NAMES, _ZEROS, _ZEROS, _ZEROS, _ZEROS)
"""Every gain counts."""

TICK = 0.26
"""Where balanced is on the dial."""


def decision_for(request: Request, resident: frozenset[str] = frozenset()) -> RoutingDecision:
    """The starter pack's three models and one that is not installed, priced for the request."""
    candidates = tuple(
        replace(c, resident=_model(c.function) in resident) if resident else c for c in CANDIDATES
    )
    choice, reason = (
        "starter-base@8",
        "balanced; starter-base@20 at 2.5x the price promises 0.026 more predicted quality",
    )
    if request.policy.kind == "pinned":
        choice, reason = str(request.policy.value), "pinned by you"
        first = next(c for c in candidates if c.function == choice)
        candidates = (first, *(c for c in candidates if c is not first))
        candidates = tuple(replace(c, rank=rank) for rank, c in enumerate(candidates, 1))
    policy, dial = request.policy, None
    if policy.kind in ("balanced", "tradeoff"):
        place = TICK if policy.value is None else float(policy.value)
        policy, dial = replace(policy, value=place), DialMeaning(TICK, place + 0.72, place - 0.04)
    return RoutingDecision(
        prompt=request.prompt,
        choice=choice,
        router="starter",
        metric="mixed",
        policy=policy,
        dial=dial,
        lambda_per_usd=None if request.policy.kind == "pinned" else 8120.0,
        reason=reason,
        encode_ms=1.2,
        route_ms=0.1,
        in_distribution=True,
        candidates=candidates,
    )


def _model(function: str) -> str:
    return function.rpartition("@")[0]


def nothing_installed(request: Request) -> RoutingDecision:
    """The decision of a machine without any model."""
    return replace(
        decision_for(request),
        choice=None,
        reason="no generation function is installed",
        candidates=tuple(
            replace(c, installed=False, resident=False, allowed=False, rank=rank)
            for rank, c in enumerate(CANDIDATES, 1)
        ),
    )


class WordEstimator:
    """Rates the fakes' functions by their candidates, and words that crowd a scene on top."""

    worth = MappingProxyType({"night": -0.031, "cat": 0.004, "red": -0.012, "car": 0.007})
    """What a word takes from or adds to `starter-base@20`, by word."""

    def estimate(self, prompt: str) -> PromptEstimate:
        words = set(re.findall(r"\w+", prompt.lower()))
        extra = sum(value for word, value in self.worth.items() if word not in words)
        estimates = {
            c.function: QualityEstimate(
                c.quality + (extra if c.function == "starter-base@20" else 0.0), c.interval
            )
            for c in CANDIDATES
            if c.quality is not None
        }
        near = Neighbour(
            "a cat and a car", 0.41, {"starter-base@8": 1.31, "starter-base@20": 1.335}
        )
        return PromptEstimate(estimates, True, 0.3, (near,))


class FakePlanner:
    """Answers at once; remembers what it was asked."""

    def __init__(self, answer: Callable[[Request], RoutingDecision] | None = None) -> None:
        self.asked: list[Request] = []
        self._answer = answer

    def decide(
        self, request: Request, resident: frozenset[str], *, at_once: bool = False
    ) -> RoutingDecision:
        self.asked.append(request)
        if self._answer is not None:
            return self._answer(request)
        return decision_for(request, resident)

    def recent_prompts(self) -> list[str]:
        return []

    def explain(self, decision: RoutingDecision, load_cost: bool | None) -> Explanation:
        return explain(
            decision,
            WordEstimator(),
            load_cost=False,
            lambda_at=lambda dial: 40_000.0 * (1.0 - dial),
            spread=CERTAIN,
        )


def picture(path: Path) -> Path:
    """A small scene, the same each time: a red square on a green field under a blue sky."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (64, 64), (92, 148, 214))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 40, 63, 63), fill=(76, 140, 74))
    draw.rectangle((34, 28, 54, 48), fill=(200, 44, 40))
    draw.ellipse((8, 30, 26, 50), fill=(226, 170, 90))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def generation(request: Request, image: Path, **changes: object) -> Generation:
    """The record of a picture made for the request."""
    decision = decision_for(request)
    function = decision.choice or ""
    made = Generation(
        id=request.id,
        session="01JDEMO0000000000000000000",
        prompt=request.prompt,
        negative=request.negative,
        function=function,
        executed=function,
        fallback=None,
        image=image,
        seed=request.seed if request.seed is not None else 7,
        width=64,
        height=64,
        steps=int(function.rpartition("@")[2]),
        guidance=3.0,
        sampler="DDIMScheduler",
        model=_model(function),
        seconds=Seconds(load=0.0, encode=0.01, denoise=0.14, decode=0.02, score=0.04, total=0.21),
        peak_memory_bytes=31_000_000,
        energy_wh=None,
        cost_usd=2.83e-6,
        cost_source="measured",
        load_cost_usd=0.0,
        scores=(
            Score("nima", 5.31, "starter-nima:sha256:00"),
            Score("clip", 31.2, "starter-clip:sha256:00"),
            Score("mixed", 1.27, "starter-mixed:sha256:00"),
        ),
        decision=decision,
        created="2026-01-01T12:00:00.000+00:00",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


class FakeSession:
    """Does what the first word of the prompt says; otherwise makes a picture in three steps.

    `slow` takes 500 short steps, `hang` never looks at `stop`, `die` ends the process, `boom`
    raises what nobody foresaw, `huge` raises what somebody did, `silent` reports nothing.
    """

    seconds_per_step = 0.02

    def __init__(self) -> None:
        self._resident: frozenset[str] = frozenset()
        print("the session says hello", flush=True)  # must land in the log, not on the terminal

    def run(
        self, request: Request, emit: Callable[[Event], None], stop: Callable[[], bool]
    ) -> None:
        word = request.prompt.split()[0]
        if word == "boom":
            raise RuntimeError("a tensor\nhad the wrong shape")
        if word == "huge":
            raise OutOfMemory("sdxl-turbo@4 needs 9.5 GB, 4.0 GB is free")
        if word == "silent":
            return
        decision = decision_for(request)
        function = decision.choice or ""
        emit(Routed(request.id, decision))
        emit(Loading(request.id, function, 0.4))
        if word == "die":
            os._exit(3)
        if word == "hang":
            time.sleep(600)
        steps = 500 if word == "slow" else 3
        for step in range(1, steps + 1):
            if stop():
                return
            time.sleep(self.seconds_per_step)
            emit(Step(request.id, function, step, steps))
        self._resident = frozenset({_model(function)})
        emit(Scoring(request.id, function))
        if word == "note":
            emit(Noted(request.id, Note("other", "[/oops] said the driver")))
        image = picture(paths.current().pictures / f"{request.id}.png")
        emit(Generated(request.id, generation(request, image)))

    def prepare(self) -> None:
        print("the session prepares", flush=True)

    def resident(self) -> frozenset[str]:
        return self._resident

    def tend(self) -> bool:
        return False

    def idle(self, stop: Callable[[], bool]) -> bool:
        return False

    def close(self) -> None:
        print("the session says goodbye", flush=True)


class DemoSession(FakeSession):
    """Slow enough to look at."""

    seconds_per_step = 0.25


def refuse_to_open() -> FakeSession:
    """A machine on which the session cannot be opened."""
    raise ModelMissing("the starter pack is damaged")


def stubborn_to_open() -> FakeSession:
    """A session that takes a minute to open, deaf to everything."""
    time.sleep(60)
    return FakeSession()


def request(prompt: str = PROMPT, name: str = "01JREQUEST0000000000000001") -> Request:
    return Request(id=name, prompt=prompt, policy=Policy.tradeoff(0.5))


if __name__ == "__main__":  # a parent for the orphan test: prints its child's id and waits
    from cems_tui.services.engine.process import EngineProcess

    opener = stubborn_to_open if "stubborn" in sys.argv else FakeSession
    engine = EngineProcess(opener)
    engine.start()
    if "stubborn" not in sys.argv:
        engine.submit(request("hang"))
        next(event for event in engine.events() if isinstance(event, Loading))
    print(engine.pid, flush=True)
    time.sleep(60)
