"""What a folder's configs say of a model is what the loaded model itself says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cems_tui.domain.capabilities import Capabilities
from cems_tui.generation.families.registry import FAMILIES, capabilities_of, load
from tests.generation.tiny_families import TINY, save_flux, save_flux_2_klein, tiny_function
from tests.generation.tiny_pipelines import save_stable_diffusion

Folder = Callable[[str], Path]


@pytest.fixture(scope="module")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    made: dict[str, Path] = {}

    def folder(family: str) -> Path:
        if family not in made:
            made[family] = TINY[family].save(tmp_path_factory.mktemp(family))
        return made[family]

    return folder


def of_loaded(family: str, folder: Path) -> Capabilities:
    pipeline: Any = load(tiny_function(family, folder))
    found: Capabilities = pipeline._abilities.capabilities
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_a_folder_says_before_loading_what_its_pipeline_says(
    tiny_folder: Folder, family: str
) -> None:
    folder = tiny_folder(family)
    told = capabilities_of(family, folder)
    assert told == of_loaded(family, folder)
    assert told.size_multiple is not None
    assert told.undrawable is None


def test_what_was_distilled_says_so_before_it_is_loaded(tmp_path: Path) -> None:
    dev = save_flux(tmp_path / "dev", guided=True)
    klein = save_flux_2_klein(tmp_path / "klein", distilled=False)
    assert capabilities_of("flux", dev).guidance == "embedded"
    assert capabilities_of("flux-2-klein", klein).guidance == "positive"


def changed(path: Path, **settings: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))


@pytest.mark.parametrize(("channels", "what"), [(9, "inpainting"), (8, "editing"), (6, "fit")])
def test_a_network_that_draws_from_a_picture_is_told_from_its_config(
    tmp_path: Path, channels: int, what: str
) -> None:
    folder = save_stable_diffusion(tmp_path / "model")
    changed(folder / "unet/config.json", in_channels=channels)
    told = capabilities_of("stable-diffusion", folder).undrawable
    assert told is not None
    assert what in told
    assert f"{channels} channels" in told


def test_what_cannot_be_read_of_a_folder_is_unknown(tmp_path: Path) -> None:
    folder = save_stable_diffusion(tmp_path / "model")
    (folder / "vae/config.json").write_text("no JSON")
    (folder / "tokenizer/tokenizer_config.json").unlink()
    told = capabilities_of("stable-diffusion", folder)
    assert told.numbers_per_pixel is None
    assert told.prompt_tokens is None
    assert told.undrawable is None


def test_a_family_that_nothing_runs_cannot_be_drawn_with() -> None:
    assert capabilities_of("unknown", None).undrawable is not None
