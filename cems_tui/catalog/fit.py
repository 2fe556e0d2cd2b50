"""Whether this machine's device can hold a model: a rule, without any device."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from cems_tui.domain.function import ESTIMATE_REACH, Expected, Footprint, Model
from cems_tui.generation.admission import (
    Resident,
    Weights,
    admit,
    in_leaving_order,
    weights_allowed,
)
from cems_tui.generation.families.registry import FAMILIES
from cems_tui.generation.precision import chosen_precision, has_bfloat16_processor
from cems_tui.generation.weight_files import BYTES_PER_FLOAT, Precision
from cems_tui.text import byte_count

Verdict = Literal["fits", "fits with offload", "does not fit", "unknown"]

VERDICTS: tuple[Verdict, ...] = ("fits", "fits with offload", "unknown", "does not fit")
"""From the best to the worst."""


@dataclass(frozen=True, slots=True)
class Room:
    """What the device offers a model that is alone on it."""

    kind: str
    """`cpu`, `cuda`, `mps` or `xpu`."""

    name: str
    total_bytes: int
    free_bytes: int
    """Now; what our own models hold counts as free, as they leave for another."""

    cap_bytes: int | None
    """What weights may hold at most, by the settings; None where those say nothing."""

    run_bytes: int
    """What weights and drawing may hold together."""

    precision: Precision | None = None
    """What weights are to be held in; None leaves it to the device."""

    offloads: bool = False
    """Whether a model that is not held whole can be drawn with part by part here."""

    residents: tuple[Resident, ...] = ()
    """What is on the device, least recently used first."""

    leave_bytes: int = 0
    """What the settings leave to other programs."""

    @property
    def idle(self) -> Room:
        """The same device while no other program holds any of it."""
        run_bytes = max(self.run_bytes, self.total_bytes - self.leave_bytes)
        return replace(self, free_bytes=self.total_bytes, run_bytes=run_bytes)

    @property
    def used_bytes(self) -> int:
        """What other programs hold of it now."""
        return self.total_bytes - self.free_bytes

    def allowed_bytes(self, beside: int | None) -> int:
        """What weights may hold beside a picture that takes so much: what a lease would say.

        Args:
            beside: bytes; None is unknown.
        """
        return weights_allowed(0, self.run_bytes, beside, self.total_bytes, self.cap_bytes)

    @property
    def weight_bytes(self) -> int:
        """What weights may hold where nothing is known of the picture."""
        return self.allowed_bytes(None)

    @property
    def accelerated(self) -> bool:
        """Whether pictures are drawn on something faster than a CPU."""
        return self.kind != "cpu"


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether a model fits, and why, in one sentence."""

    verdict: Verdict
    reason: str

    @property
    def holds(self) -> bool:
        """Whether it is held whole: drawn with as it is."""
        return self.verdict == "fits"


def fit(footprint: Footprint, room: Room) -> Fit:
    """Whether the device holds a model whole, part by part, or not.

    Whole: its weights are within what weights may hold, and with the most that drawing takes they
    are within what a run may hold. With offload, where that is done at all: so are its largest
    component and drawing.
    """
    weights, beside = footprint.weights_bytes, footprint.most_activation_bytes
    if weights is None:
        return Fit("unknown", "What it takes of the device is not known yet.")
    if _within(weights, beside, room):
        return Fit("fits", _fits(weights, beside, room, footprint))
    largest = footprint.largest_bytes
    if largest is None or not room.offloads:
        return Fit("does not fit", f"{_too_much(weights, beside, room)}.")
    if largest < weights and _within(largest, beside, room):
        part = byte_count(largest)
        drawing = "" if beside is None else f" and up to {byte_count(beside)} to draw"
        return Fit(
            "fits with offload",
            f"{_too_much(weights, beside, room)}; its layers can be brought there in turn "
            f"({part} the largest part{drawing}), which takes longer.",
        )
    return Fit(
        "does not fit",
        f"{_too_much(weights, beside, room)}; its largest part alone takes {byte_count(largest)}.",
    )


def of_picture(
    expected: Expected,
    model: Footprint,
    *,
    area: float,
    least_bytes: int | None,
    largest_bytes: int | None = None,
) -> Footprint:
    """What drawing one picture takes of the device: the weights, and what its pixels take.

    Args:
        expected: what a picture of that size takes, as far as it is known.
        model: what its model takes of this device, at the model's own size.
        area: pixels of the picture for each pixel of the model's own size.
        least_bytes: what drawing it holds beside the weights at the very least.
        largest_bytes: of its largest component, where its files tell; None is as `model` says.
    """
    weights = model.weights_bytes if expected.held_bytes is None else expected.held_bytes
    beside = None
    if expected.memory_bytes is not None:
        if weights is None:
            weights = expected.memory_bytes  # a peak alone stands in for the weights
        elif expected.memory_bytes > weights:
            beside = expected.memory_bytes - weights
    if beside is None and model.activation_bytes is not None:
        beside = int(model.activation_bytes * area)
    if beside is not None or least_bytes is not None:
        beside = max(beside or 0, least_bytes or 0)
    return Footprint(
        weights_bytes=weights,
        largest_bytes=model.largest_bytes if largest_bytes is None else largest_bytes,
        activation_bytes=beside,
        activation_reach=ESTIMATE_REACH if expected.beside_bytes is None else expected.beside_reach,
        provenance=expected.provenance,
        source=expected.source,
    )


def leaves(model: str, needed: Weights, beside: int | None, room: Room) -> tuple[str, ...]:
    """Who would have to leave the device for a picture of a model, as things stand.

    Nobody where it would not fit anyway.

    Args:
        model: its name; it does not leave for itself.
        needed: what its networks hold, by content.
        beside: the most that drawing takes beside them; None is unknown.
    """
    others = [one for one in room.residents if one.model != model]
    return admit(in_leaving_order(others), needed, room.allowed_bytes(beside)).evict


def scaled(footprint: Footprint, factor: int) -> Footprint:
    """The footprint where every number is held in `factor` times as many bytes.

    The download stays: files are what they are.
    """

    def times(size: int | None) -> int | None:
        return None if size is None else size * factor

    return Footprint(
        download_bytes=footprint.download_bytes,
        weights_bytes=times(footprint.weights_bytes),
        largest_bytes=times(footprint.largest_bytes),
        activation_bytes=times(footprint.activation_bytes),
        activation_reach=footprint.activation_reach,
        provenance=footprint.provenance,
        source=footprint.source,
    )


def footprint_on(model: Model, room: Room) -> Footprint:
    """The catalog's figures of a model, which are of 16 bits, in the precision of the device."""
    layout, weights = FAMILIES.get(model.family), model.footprint.weights_bytes
    if layout is None:
        return model.footprint
    precision = chosen_precision(
        room.precision,
        layout.precision,
        room.kind,
        full_bytes=None if weights is None else 2 * weights,
        bfloat16_processor=has_bfloat16_processor(),
    )
    return scaled(model.footprint, BYTES_PER_FLOAT[precision] // 2)


def _within(weights: int, beside: int | None, room: Room) -> bool:
    return weights <= room.allowed_bytes(beside)


def _fits(weights: int, beside: int | None, room: Room, footprint: Footprint) -> str:
    about = "about " if footprint.provenance == "estimated" else ""
    if beside is None:
        return (
            f"Its weights take {about}{byte_count(weights)} of the "
            f"{byte_count(room.weight_bytes)} weights may hold; what drawing takes beside them "
            "is not known."
        )
    return f"{_taken(weights, beside, about)}, of {byte_count(room.run_bytes)} there are."


def _too_much(weights: int, beside: int | None, room: Room) -> str:
    """Which of the two limits it passes, as the beginning of a sentence."""
    said = _taken(weights, beside, "")
    if room.cap_bytes is not None and weights > room.cap_bytes:
        return f"{said}; weights may hold {byte_count(room.cap_bytes)}"
    if beside is None:
        said += f"; weights may hold {byte_count(room.weight_bytes)}"
    else:
        said += f"; there are {byte_count(room.run_bytes)}"
    if weights + (beside or 0) <= room.total_bytes and room.used_bytes > weights // 4:
        said += f" ({in_use(room)})"
    return said


def in_use(room: Room) -> str:
    """`12.9 GB of 23.9 GB is in use`: by other programs, now."""
    return f"{byte_count(room.used_bytes)} of {byte_count(room.total_bytes)} is in use"


def _taken(weights: int, beside: int | None, about: str) -> str:
    """A model of which only the peak is known has nothing beside it."""
    if not beside:
        return f"It takes {about}{byte_count(weights)}"
    return f"Its weights take {about}{byte_count(weights)} and drawing up to {byte_count(beside)}"
