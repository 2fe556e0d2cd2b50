"""A device of so many bytes that others use too, behind the same probe as the real ones.

It says no when it is full, shows late what was freed, counts what is shared once, and may be lost.
Its clock goes by what is moved, not by what the machine of the tests is doing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cems_tui.cancel import Stop
from cems_tui.domain.function import GenerationFunction, Model
from cems_tui.errors import OutOfMemory, WeightsError
from cems_tui.generation.device import Device, DeviceKind
from cems_tui.generation.pipeline import Job, OnStep, Picture

SHARED = {"towers": 3_000, "decoder": 300}
MODELS: dict[str, dict[str, int]] = {
    "base": {**SHARED, "unet": 4_000},
    "turbo": {**SHARED, "fast unet": 4_000},
    "small": {"small unet": 1_500, "small tower": 500, "decoder": 300},
    "large": {"transformer": 9_000, "reader": 5_000, "fine decoder": 300},
}
"""Megabytes by content."""

SCORERS = {"clip": 1_400, "nima": 400, "aesthetic": 900}


def function(model: str, revision: int = 0) -> GenerationFunction:
    row = Model(model, "stable-diffusion", "CC0-1.0", "tests", path=Path("/nowhere") / model)
    return GenerationFunction(f"{model}@4", row, 4, 3.0, 64, 64)


@dataclass
class Card:
    """What is on the device, and what others have of it."""

    total: int
    kind: DeviceKind = "cuda"
    lag: int = 0
    """How often it is asked before it shows what was freed."""

    bytes_a_second: float = 12_000.0
    foreign: int = 0
    lost: bool = False
    seconds: float = 0.0
    loads: int = 0
    networks: Counter[str] = field(default_factory=Counter)
    """Holders of each network, by content."""

    sizes: dict[str, int] = field(default_factory=dict)
    working: int = 0
    late: list[list[int]] = field(default_factory=list)
    """Bytes that were freed, and how often it is still to be asked."""

    @property
    def held(self) -> int:
        """Bytes of weights."""
        return sum(self.sizes[key] for key, holders in self.networks.items() if holders > 0)

    @property
    def free(self) -> int:
        """What can really be had: the driver hands out what it does not show yet."""
        return 0 if self.lost else self.total - self.foreign - self.held - self.working

    def probe(self) -> Device:
        """What the device shows."""
        shown = self.free - sum(size for size, _ in self.late)
        for one in self.late:
            one[1] -= 1
        self.late = [one for one in self.late if one[1] > 0]
        return Device(self.kind, "a card", self.total, max(0, shown))

    def take(self, key: str, size: int) -> None:
        """One more holds this network."""
        if self.networks[key] <= 0:
            if size > self.free - sum(late for late, _ in self.late):
                raise OutOfMemory("the card is full")
            self.sizes[key] = size
            self.seconds += size / self.bytes_a_second
        self.networks[key] += 1

    def drop(self, key: str) -> None:
        """One fewer holds it."""
        self.networks[key] -= 1
        if self.networks[key] == 0 and self.lag:
            self.late.append([self.sizes[key], self.lag])

    @contextmanager
    def work(self, size: int) -> Iterator[None]:
        """What drawing takes while it lasts."""
        if size > self.free:
            raise OutOfMemory("the card is full")
        self.working += size
        try:
            yield
        finally:
            self.working -= size


class Holding:
    """A pipeline, or an instrument, on the card."""

    def __init__(self, card: Card, weights: Mapping[str, int], fails_after: int | None) -> None:
        self.card = card
        self.weights: Mapping[str, int] = dict(weights)
        self.names: Mapping[str, str] = {key: key for key in weights}
        self.taken: list[str] = []
        self.closed = 0
        card.loads += 1
        try:
            for count, (key, size) in enumerate(self.weights.items()):
                if count == fails_after:
                    raise WeightsError("the file is damaged")
                card.take(key, size)
                self.taken.append(key)
        except (WeightsError, OutOfMemory):
            self.give_up()
            raise

    @property
    def weight_bytes(self) -> int:
        return sum(self.weights.values())

    def generate(self, job: Job, on_step: OnStep, stop: Stop) -> Picture:
        raise NotImplementedError

    def give_up(self) -> None:
        """A load that fails leaves nothing behind."""
        self.leave()

    def leave(self) -> None:
        for key in self.taken:
            self.card.drop(key)
        self.taken = []

    def close(self) -> None:
        if not self.closed:
            self.leave()
        self.closed += 1


@dataclass
class Disk:
    """The files of the models, which somebody may replace."""

    revisions: Counter[str] = field(default_factory=Counter)

    def weights(self, model: str) -> dict[str, int]:
        """What the headers say."""
        found = dict(MODELS[model])
        if count := self.revisions[model]:
            own = next(key for key in found if "unet" in key or key == "transformer")
            found[f"{own} {count}"] = found.pop(own)
        return found

    def loader(
        self, card: Card, fails_after: Callable[[], int | None]
    ) -> Callable[[GenerationFunction], Holding]:
        """Brings a model to the card."""
        return lambda wanted: Holding(card, self.weights(wanted.model.name), fails_after())
