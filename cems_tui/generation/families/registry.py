"""The model families that can be run.

A new family is a row in `FAMILIES`: a `Layout`, which says what its folders hold and what is
particular about drawing with it. Nothing heavy is imported until one is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cems_tui.domain.capabilities import Capabilities
from cems_tui.domain.function import GenerationFunction
from cems_tui.errors import ModelMissing, WeightsError
from cems_tui.generation.families.anatomy import Anatomy, EngineSettings
from cems_tui.generation.families.capabilities import of_family, of_folder
from cems_tui.generation.families.layout import Layout
from cems_tui.generation.networks import Shelf
from cems_tui.generation.pipeline import Pipeline
from cems_tui.generation.weight_files import Precision

# aMUSEd: masked image tokens instead of diffusion; diffusers keeps it among the deprecated.

AMUSED = Layout(
    pipeline_class="AmusedPipeline",
    networks=("text_encoder", "transformer", "vqvae"),
    tokenizers={"tokenizer": "text_encoder"},
    anatomy=Anatomy(
        decoder="vqvae",
        encodes_prompt=False,
        own_scheduler=True,
        size_multiple=32,  # tokens of 16 pixels, halved once more by its transformer
    ),
)
"""aMUSEd 256 and 512."""


# The FLUX families and Z-Image: transformers in which text and picture are one sequence.

_LONGEST_PROMPT = 512

FLUX = Layout(
    pipeline_class="FluxPipeline",
    networks=("text_encoder", "text_encoder_2", "transformer", "vae"),
    tokenizers={"tokenizer": "text_encoder", "tokenizer_2": "text_encoder_2"},
    arguments={"feature_extractor": None, "image_encoder": None},
    precision="bfloat16",
    anatomy=Anatomy(
        own_scheduler=True,
        size_multiple=16,
        guidance="embedded",
        reader="tokenizer_2",
        prompt_tokens=256,  # schnell was trained with no more
        arguments={"max_sequence_length": 256},
    ),
)
"""FLUX.1."""

FLUX_2_KLEIN = Layout(
    pipeline_class="Flux2KleinPipeline",
    networks=("text_encoder", "transformer", "vae"),
    tokenizers={"tokenizer": "text_encoder"},
    precision="bfloat16",
    anatomy=Anatomy(
        own_scheduler=True,
        size_multiple=16,
        guidance="positive",
        prompt_tokens=_LONGEST_PROMPT,
        chat=True,
    ),
)
"""FLUX.2 klein."""

Z_IMAGE = Layout(
    pipeline_class="ZImagePipeline",
    networks=("text_encoder", "transformer", "vae"),
    tokenizers={"tokenizer": "text_encoder"},
    precision="bfloat16",
    anatomy=Anatomy(own_scheduler=True, size_multiple=16, prompt_tokens=_LONGEST_PROMPT, chat=True),
)
"""Z-Image and Z-Image-Turbo."""


# The diffusion transformers that PixArt began: PixArt-Sigma and SANA.

_AS_ASKED = {"clean_caption": False, "use_resolution_binning": False}
"""Their classes would read another prompt where beautifulsoup4 is installed, and draw in the
nearest size they were trained in, to crop it: at 512x512 four times the pixels paid for."""

PIXART_SIGMA = Layout(
    pipeline_class="PixArtSigmaPipeline",
    networks=("text_encoder", "transformer", "vae"),
    tokenizers={"tokenizer": "text_encoder"},
    precision="bfloat16",  # its decoder is SDXL's, which overflows float16
    anatomy=Anatomy(size_multiple=16, prompt_tokens=300, arguments=_AS_ASKED),
)
"""PixArt-Sigma."""

SANA = Layout(
    pipeline_class="SanaPipeline",
    networks=("text_encoder", "transformer", "vae"),
    tokenizers={"tokenizer": "text_encoder"},
    precision="bfloat16",
    anatomy=Anatomy(own_scheduler=True, size_multiple=32, prompt_tokens=300, arguments=_AS_ASKED),
)
"""SANA 0.6B and 1.6B."""


# The Stable Diffusion families: what their folders hold.

_BARE = {"feature_extractor": None, "image_encoder": None}
_UNCHECKED = {**_BARE, "safety_checker": None, "requires_safety_checker": False}
"""The checker is a network of its own that the folder may not hold."""

STABLE_DIFFUSION = Layout(
    pipeline_class="StableDiffusionPipeline",
    networks=("text_encoder", "unet", "vae"),
    tokenizers={"tokenizer": "text_encoder"},
    arguments=_UNCHECKED,
)
"""Stable Diffusion 1 and 2, SD-Turbo, with their own decoder or TAESD."""

STABLE_DIFFUSION_XL = Layout(
    pipeline_class="StableDiffusionXLPipeline",
    networks=("text_encoder", "text_encoder_2", "unet", "vae"),
    tokenizers={"tokenizer": "text_encoder", "tokenizer_2": "text_encoder_2"},
    arguments={**_BARE, "add_watermarker": False},
)
"""SDXL and what was distilled from it: Turbo, Lightning, SSD-1B, Vega."""

STABLE_DIFFUSION_3 = Layout(
    pipeline_class="StableDiffusion3Pipeline",
    networks=("text_encoder", "text_encoder_2", "text_encoder_3", "transformer", "vae"),
    tokenizers={
        "tokenizer": "text_encoder",
        "tokenizer_2": "text_encoder_2",
        "tokenizer_3": "text_encoder_3",
    },
    optional=("text_encoder_3",),  # T5: two thirds of the weights, and it draws without it
    arguments=_BARE,
    precision="bfloat16",
    anatomy=Anatomy(own_scheduler=True, size_multiple=16, reader="tokenizer_3", prompt_tokens=256),
)
"""Stable Diffusion 3 and 3.5."""

LATENT_CONSISTENCY = Layout(
    pipeline_class="LatentConsistencyModelPipeline",
    networks=("text_encoder", "unet", "vae"),
    tokenizers={"tokenizer": "text_encoder"},
    arguments=_UNCHECKED,
    anatomy=Anatomy(own_scheduler=True, guidance="embedded"),
)
"""Latent consistency models: Stable Diffusion distilled to a few steps."""


__all__ = [
    "FAMILIES",
    "EngineSettings",
    "capabilities_of",
    "expected_bytes",
    "expected_weights",
    "family_of",
    "family_of_class",
    "held_weights",
    "load",
    "precision_of",
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


def capabilities_of(family: str, folder: Path | None) -> Capabilities:
    """What the model of a folder can follow, or, where it is not here, any of its family."""
    layout = FAMILIES.get(family)
    if layout is None:
        return Capabilities(undrawable="cannot be drawn with: nothing here runs its pipeline")
    if folder is None:
        return of_family(layout.anatomy)
    return of_folder(layout.anatomy, folder)


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


def held_weights(
    function: GenerationFunction, settings: EngineSettings | None = None
) -> dict[str, int] | None:
    """Device bytes the weights of an installed model will hold, by the headers of its files.

    By the likely content of its networks: equal keys are most probably shared memory, in any
    process. None where nothing tells: it is not installed, of no family that runs, or damaged.
    """
    layout, folder = FAMILIES.get(function.model.family), function.model.path
    if layout is None or folder is None:
        return None
    try:
        return layout.held_weights(folder, settings or EngineSettings())
    except WeightsError:
        return None  # leasing it says what is wrong with its files


def precision_of(
    function: GenerationFunction, settings: EngineSettings | None = None
) -> Precision | None:
    """What the weights of an installed model would be held in here.

    None where nothing tells: it is not installed, of no family that runs, or damaged.
    """
    layout, folder = FAMILIES.get(function.model.family), function.model.path
    if layout is None or folder is None:
        return None
    try:
        return layout.precision_of(folder, settings or EngineSettings())
    except WeightsError:
        return None  # leasing it says what is wrong with its files


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
