"""The model families that can be run: one adapter a family, found by the family's name.

A new family is a module with `load`, `expected_bytes` and `warm_up`, and a row in `FAMILIES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from cems_tui.errors import ModelMissing, WeightsError
from cems_tui.generation.function import GenerationFunction
from cems_tui.generation.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How pipelines are loaded on this machine."""

    device: str | None = None
    """A torch device type (`cpu`, `cuda`, `mps`, `xpu`); None takes the best there is."""

    threads: int | None = None
    """CPU threads while drawing; None chooses by the size of the model."""

    verify_bytes: int = 256_000_000
    """Models of up to so many bytes on disk are checked against their digest when loaded."""


class Family(Protocol):
    """What the adapter module of a family offers."""

    load: Callable[[GenerationFunction, Path, EngineSettings], Pipeline]
    expected_bytes: Callable[[Path, EngineSettings], int]
    warm_up: Callable[[Path], None]


FAMILIES: Mapping[str, str] = {
    "stable-diffusion": "cems_tui.generation.families.stable_diffusion",
}
"""Family name to adapter module; the module is imported when its first model is loaded."""


def load(function: GenerationFunction, settings: EngineSettings | None = None) -> Pipeline:
    """The function's model on the device.

    Raises:
        ModelMissing: the model is not installed.
        WeightsError: its folder is damaged, incomplete, or of a family nothing here runs.
        OutOfMemory: the device has no room for its weights.
    """
    family, folder = _adapter(function)
    return family.load(function, folder, settings or EngineSettings())


def expected_bytes(
    function: GenerationFunction, settings: EngineSettings | None = None
) -> int | None:
    """Device bytes its weights will hold, from the headers of its files; None if not installed.

    Raises:
        WeightsError: its folder is damaged, incomplete, or of a family nothing here runs.
    """
    if not function.installed:
        return None
    family, folder = _adapter(function)
    return family.expected_bytes(folder, settings or EngineSettings())


def warm_up(function: GenerationFunction) -> None:
    """Import the libraries the function's model runs on: seconds, once in a process.

    Raises:
        ModelMissing: the model is not installed.
        WeightsError: its folder says nothing sensible, or its family is one nothing here runs.
    """
    family, folder = _adapter(function)
    family.warm_up(folder)


def _adapter(function: GenerationFunction) -> tuple[Family, Path]:
    model = function.model
    if model.path is None:
        raise ModelMissing(f"the model {model.name} is not installed", _install_hint(model.name))
    if model.family not in FAMILIES:
        raise WeightsError(
            f"{model.name} is of the family {model.family!r}, which cannot be run",
            f"Families that run: {', '.join(FAMILIES)}.",
        )
    return cast(Family, import_module(FAMILIES[model.family])), model.path


def _install_hint(name: str) -> str:
    return f"Install it with `cems pull {name}`; `cems ls` shows what is installed."
