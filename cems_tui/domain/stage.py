"""The stages of a picture, and what each holds of the device beside the weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Stage = Literal["encode", "denoise", "decode"]

STAGES: tuple[Stage, ...] = ("encode", "denoise", "decode")
"""In their order."""


@dataclass(frozen=True, slots=True)
class StageBytes:
    """Peak device bytes of each stage beside the weights; None is not measured."""

    encode: int | None = None
    """The same for every size: a prompt has no pixels."""

    denoise: int | None = None
    """Grows with the pixels; every step takes the same."""

    decode: int | None = None
    """Grows with the pixels."""

    @property
    def peak(self) -> int | None:
        """Of the dearest stage; None where one is not known."""
        parts = (self.encode, self.denoise, self.decode)
        known = [part for part in parts if part is not None]
        return max(known) if len(known) == len(parts) else None

    def to_json(self) -> dict[str, int | None]:
        """Every stage by its name."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: dict[str, Any] | None) -> StageBytes:
        """What `to_json` wrote; None is of a picture older than the measurement."""
        return cls(**(row or {}))


UNMEASURED = StageBytes()
"""Nothing is known of any stage."""
