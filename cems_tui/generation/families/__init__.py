"""The model families that can be run.

A new family is a row in `FAMILIES`: a `Layout` when its models are plain diffusers folders,
else a class of its own. Nothing heavy is imported until one is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from cems_tui.errors import ModelMissing, WeightsError
from cems_tui.generation.families.amused import AMUSED
from cems_tui.generation.families.settings import EngineSettings
from cems_tui.generation.families.stable_diffusion import STABLE_DIFFUSION, STABLE_DIFFUSION_XL
from cems_tui.generation.function import GenerationFunction
from cems_tui.generation.pipeline import Pipeline

__all__ = ["FAMILIES", "EngineSettings", "Family", "expected_bytes", "load", "warm_up"]


class Family(Protocol):
    """How the models of a family are brought to the device."""

    def load(
        self, function: GenerationFunction, folder: Path, settings: EngineSettings
    ) -> Pipeline: ...

    def expected_bytes(self, folder: Path, settings: EngineSettings) -> int: ...

    def warm_up(self, folder: Path) -> None: ...


FAMILIES: Mapping[str, Family] = {
    "stable-diffusion": STABLE_DIFFUSION,
    "stable-diffusion-xl": STABLE_DIFFUSION_XL,
    "amused": AMUSED,
}
"""By the name that models carry in the catalog."""


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
    return FAMILIES[model.family], model.path


def _install_hint(name: str) -> str:
    return f"`cems ls` shows what is installed, `cems show {name}` where the model comes from."
