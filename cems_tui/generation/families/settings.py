"""How pipelines are loaded on this machine."""

from __future__ import annotations

from dataclasses import dataclass

from cems_tui.generation.weight_files import Precision


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How pipelines are loaded on this machine."""

    device: str | None = None
    """A torch device type (`cpu`, `cuda`, `mps`, `xpu`); None takes the best there is."""

    precision: Precision | None = None
    """What weights are loaded as; None is what their family needs on the device."""

    threads: int | None = None
    """CPU threads while drawing; None chooses by the size of the model."""

    verify_bytes: int = 256_000_000
    """Models of up to so many bytes on disk are checked against their digest when loaded."""
