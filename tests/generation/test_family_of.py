"""Which family a diffusers folder is of, told from its model_index.json alone."""

from __future__ import annotations

import pytest

from cems_tui.errors import WeightsError
from cems_tui.generation.families.registry import FAMILIES, family_of

INDEXES = {
    name: {"_class_name": layout.pipeline_class, "_diffusers_version": "0.30.0"}
    | {network: ["transformers", "SomeModel"] for network in layout.networks}
    for name, layout in FAMILIES.items()
}


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_knows_its_own(name: str) -> None:
    assert family_of(INDEXES[name]) == name


@pytest.mark.parametrize(
    "class_name", ["StableDiffusionInpaintPipeline", "WanPipeline", "FluxKontextPipeline"]
)
def test_another_pipeline_is_refused_by_name_with_those_that_run(class_name: str) -> None:
    with pytest.raises(WeightsError, match=f"{class_name}, which cannot be run") as caught:
        family_of({"_class_name": class_name})
    assert "StableDiffusionXLPipeline" in caught.value.hint
    assert "ZImagePipeline" in caught.value.hint


@pytest.mark.parametrize("index", [{}, {"_class_name": None}, {"_class_name": ["a", "b"]}])
def test_an_index_that_names_no_pipeline_is_refused(index: dict[str, object]) -> None:
    with pytest.raises(WeightsError, match="does not say which"):
        family_of(index)


@pytest.mark.parametrize("left_out", [None, [None, None], []])
def test_a_network_that_is_left_out_is_named(left_out: object) -> None:
    index = {**INDEXES["stable-diffusion-xl"], "text_encoder_2": left_out}
    with pytest.raises(WeightsError, match="names no text_encoder_2"):
        family_of(index)


def test_stable_diffusion_3_may_come_without_its_largest_text_encoder() -> None:
    index = {**INDEXES["stable-diffusion-3"], "text_encoder_3": [None, None]}
    assert family_of(index) == "stable-diffusion-3"


def test_what_a_family_does_not_read_does_not_matter() -> None:
    index = {
        **INDEXES["stable-diffusion"],
        "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
        "image_encoder": [None, None],
    }
    assert family_of(index) == "stable-diffusion"
