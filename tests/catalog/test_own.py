"""The user's own models: they join the catalog with their settings, and are timed when imported."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cems_tui import paths
from cems_tui.catalog import catalog
from cems_tui.locks import FileLock
from cems_tui.models.importer import ImportWish
from cems_tui.profile import Profile
from tests.cli.cems import cems
from tests.cli.inside import Inside, inside
from tests.models.fake_hub import folder_of_files
from tests.models.hub_fixtures import Desk, desk, online

__all__ = ["desk", "inside", "online"]

UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def tiny(tiny_folder: Callable[[str], Path], tmp_path: Path) -> Path:
    folder = tmp_path / "tiny"
    shutil.copytree(tiny_folder("stable-diffusion"), folder)
    return folder


def test_a_hub_id_a_folder_and_a_single_file_join_the_catalog_as_they_were_asked_to(
    desk: Desk, tiny: Path
) -> None:
    desk.hub.repos["org/Fine"] = folder_of_files(tiny)
    desk.pull("org/Fine", steps=(3, 6), guidance=2.5, size=(32, 16))
    importer = Profile.current().models.importer(desk.events.append)
    asked: dict[str, Any] = {
        "steps": (3, 6),
        "guidance": 2.5,
        "size": (32, 16),
        "licence": "cc-by-nc-4.0",
    }
    importer.run(ImportWish(tiny, "folder", **asked))
    file = ImportWish(tiny / UNET, "file", base="folder", **asked)
    Profile.current().models.importer(desk.events.append).run(file)
    functions = Profile.current().catalog()
    for name in ("fine", "folder", "file"):
        for steps in (3, 6):
            function = functions[f"{name}@{steps}"]
            assert function.installed
            assert function.model.family == "stable-diffusion"
            assert (function.steps, function.guidance) == (steps, 2.5)
            assert (function.width, function.height) == (32, 16)
        footprint = functions[f"{name}@3"].model.footprint
        assert footprint.provenance == "measured"
        assert footprint.download_bytes is not None
        assert footprint.download_bytes > 10_000
    assert functions["folder@3"].model.noncommercial
    assert not functions["fine@3"].model.noncommercial


def test_a_catalog_model_that_was_pulled_and_removed_is_as_large_as_it_was(desk: Desk) -> None:
    desk.known = catalog.known_models()
    desk.hub.repos["stabilityai/sd-turbo"] = desk.hub.repos["org/Tiny"]
    estimated = Profile.current().catalog().models()["sd-turbo"].footprint
    installed = desk.pull("sd-turbo")
    Profile.current().models.remove("sd-turbo")
    model = Profile.current().catalog().models()["sd-turbo"]
    assert not model.installed
    assert model.footprint.download_bytes == installed.bytes != estimated.download_bytes
    assert model.footprint.weights_bytes == estimated.weights_bytes


@pytest.mark.slow
def test_an_import_draws_one_picture_and_knows_from_then_on_what_it_takes(
    tiny: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    ran = cems(
        "import", str(tiny), "--name", "mine", "--steps", "4,2", "--size", "16x16", "--json",
        home=home,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    probed = ran.lines[-1]
    assert (probed["event"], probed["function"]) == ("probed", "mine@2")
    assert probed["seconds"] > 0
    functions = cems("show", "mine", "--json", home=home).document["functions"]
    told = {function["function"]: function for function in functions}
    assert told["mine@2"]["provenance"] == "measured"
    # what it waited for a processor is no part of what it takes
    assert 0 < told["mine@2"]["seconds"] <= probed["seconds"] * (1 + 1e-9)
    assert told["mine@4"]["provenance"] == "estimated"
    assert cems("history", "ls", "--json", home=home).document == []


def test_a_taken_device_is_no_reason_to_fail_unless_the_probe_was_asked_for(
    tiny: Path, inside: Inside
) -> None:
    paths.ensure(paths.current().device_lock.parent)
    with FileLock(paths.current().device_lock, "the device"):
        ran = inside("import", tiny, "--name", "mine")
        assert ran.code == 0, ran.err
        assert "not timed: the device is held" in ran.err
        assert inside("import", tiny, "--name", "other", "--probe").code == 7
        assert inside("import", tiny, "--name", "third", "--no-probe").code == 0
    assert {"mine", "other", "third"} <= set(Profile.current().catalog().models())


def test_a_size_that_it_could_never_draw_is_refused_before_anything_is_kept(
    tiny: Path, inside: Inside
) -> None:
    ran = inside("import", tiny, "--name", "mine", "--size", "13x13")
    assert ran.code == 2
    assert "multiples of 8, such as 16x16" in ran.err
    assert "mine" not in Profile.current().catalog().models()


@pytest.mark.slow
def test_a_model_whose_network_is_not_whole_is_not_kept(tiny: Path, inside: Inside) -> None:
    from safetensors.torch import load_file, save_file

    (file,) = (tiny / "unet").glob("*.safetensors")
    half = dict(list(load_file(file).items())[::2])
    save_file(half, file, metadata={"format": "pt"})
    ran = inside("import", tiny, "--name", "mine")
    assert ran.code == 3
    assert "mine is not imported" in ran.err
    assert "incomplete" in ran.err
    assert "mine" not in Profile.current().catalog().models()
    assert tiny.is_dir()
