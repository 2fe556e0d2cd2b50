"""The model families that can be run.

A new family is a row in `FAMILIES`: a `Layout`, which says what its folders hold and what is
particular about drawing with it. Nothing heavy is imported until one is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cems_tui.errors import ModelMissing, WeightsError
from cems_tui.generation.families.amused import AMUSED
from cems_tui.generation.families.flux import FLUX, FLUX_2_KLEIN, Z_IMAGE
from cems_tui.generation.families.layout import Layout
from cems_tui.generation.families.pixart import PIXART_SIGMA, SANA
from cems_tui.generation.families.settings import EngineSettings
from cems_tui.generation.families.stable_diffusion import (
    LATENT_CONSISTENCY,
    STABLE_DIFFUSION,
    STABLE_DIFFUSION_3,
    STABLE_DIFFUSION_XL,
)
from cems_tui.generation.function import GenerationFunction
from cems_tui.generation.pipeline import Pipeline
from cems_tui.generation.shelf import Shelf

__all__ = [
    "FAMILIES",
    "EngineSettings",
    "expected_bytes",
    "expected_weights",
    "family_of",
    "family_of_class",
    "load",
    "warm_up",
]

FAMILIES: Mapping[str, Layout] = {
    "stable-diffusion": STABLE_DIFFUSION,
    "stable-diffusion-xl": STABLE_DIFFUSION_XL,
    "stable-diffusion-3": STABLE_DIFFUSION_3,
    "latent-consistency": LATENT_CONSISTENCY,
    "amused": AMUSED,
    "pixart-sigma": PIXART_SIGMA,
    "sana": SANA,
    "flux": FLUX,
    "flux-2-klein": FLUX_2_KLEIN,
    "z-image": Z_IMAGE,
}
"""By the name that models carry in the catalog."""


def family_of(index: Mapping[str, Any]) -> str:
    """The family that runs a diffusers folder, from the content of its model_index.json.

    Raises:
        WeightsError: nothing here runs its pipeline class, or a network it needs is left out.
    """
    class_name = index.get("_class_name")
    name = family_of_class(class_name)
    if name is not None:
        FAMILIES[name].check_index(index)
        return name
    raise WeightsError(
        f"it is a {class_name}, which cannot be run"
        if isinstance(class_name, str)
        else "it does not say which diffusers pipeline it is",
        f"Pipelines that run: {', '.join(layout.pipeline_class for layout in FAMILIES.values())}.",
    )


def family_of_class(pipeline_class: object) -> str | None:
    """The family that runs a diffusers pipeline class; None when none does."""
    for name, layout in FAMILIES.items():
        if layout.pipeline_class == pipeline_class:
            return name
    return None


def load(
    function: GenerationFunction,
    settings: EngineSettings | None = None,
    shelf: Shelf | None = None,
) -> Pipeline:
    """The function's model on the device.

    Args:
        function: one of the functions of the model.
        settings: how it is loaded.
        shelf: where networks that another model holds too are found; None shares nothing.

    Raises:
        ModelMissing: the model is not installed.
        WeightsError: its folder is damaged, incomplete, or of a family nothing here runs.
        OutOfMemory: the device has no room for its weights.
    """
    family, folder = _adapter(function)
    return family.load(function, folder, settings or EngineSettings(), shelf or Shelf())


def expected_weights(
    function: GenerationFunction,
    settings: EngineSettings | None = None,
    shelf: Shelf | None = None,
) -> dict[str, int] | None:
    """Device bytes of each of its networks, by content, from the headers of its files.

    None if the model is not installed. With the same shelf, models that hold an equal network
    have a key in common.

    Raises:
        WeightsError: its folder is damaged, incomplete, or of a family nothing here runs.
    """
    if not function.installed:
        return None
    family, folder = _adapter(function)
    return family.expected_weights(folder, settings or EngineSettings(), shelf or Shelf())


def expected_bytes(
    function: GenerationFunction, settings: EngineSettings | None = None
) -> int | None:
    """Device bytes its weights will hold, whether it shares them or not; None if not installed.

    Raises:
        WeightsError: its folder is damaged, incomplete, or of a family nothing here runs.
    """
    weights = expected_weights(function, settings)
    return None if weights is None else sum(weights.values())


def warm_up(function: GenerationFunction) -> None:
    """Import the libraries the function's model runs on: seconds, once in a process.

    Raises:
        ModelMissing: the model is not installed.
        WeightsError: its folder says nothing sensible, or its family is one nothing here runs.
    """
    family, folder = _adapter(function)
    family.warm_up(folder)


def _adapter(function: GenerationFunction) -> tuple[Layout, Path]:
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
