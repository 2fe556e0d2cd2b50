"""Every shape of catalog row is pulled from a Hub, drawn with, listed and removed again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cems_tui.cancel import never
from cems_tui.catalog import catalog
from cems_tui.catalog.catalog import rows
from cems_tui.errors import DownloadError, UsageError, WeightsError
from cems_tui.generation.families.registry import EngineSettings, load
from cems_tui.generation.pipeline import Job
from cems_tui.models.plan import PullPlan
from cems_tui.models.pull import Assembler
from cems_tui.models.target import PullRequest
from cems_tui.profile import Profile
from tests.cli.cems import Ran, cems
from tests.generation.tiny_families import TINY
from tests.generation.tiny_pipelines import ignore
from tests.models.fake_hub import FakeHub, folder_of_files
from tests.models.hub_fixtures import Desk, desk, noise, online, pipeline_files

__all__ = ["desk", "online"]

NIMA = "chaofengc/IQA-PyTorch-Weights"
NIMA_FILE = "NIMA_VGG16_ava-dc4e8265.pth"
LIGHTNING = "ByteDance/SDXL-Lightning"
UNET = "unet/diffusion_pytorch_model.safetensors"

PLAIN = [row for row in rows() if row.get("function") and not {"pack", "parts"} & set(row)]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub({}) as hub:
        yield hub


@pytest.fixture
def shop(desk: Desk) -> Desk:
    """A desk that knows the shipped catalog."""
    desk.known = catalog.known_models()
    return desk


def ask(hub: FakeHub, home: Path, *arguments: str) -> Ran:
    told = {**hub.environment, "HF_HOME": str(home.parent / "hf")}
    return cems(*arguments, home=home, extra=told)


def with_fp16(folder: Path, copy: Path) -> dict[str, bytes]:
    """A tiny pipeline with every weight in float32 and in float16."""
    import torch
    from safetensors.torch import load_file, save_file

    shutil.copytree(folder, copy)
    for path in list(copy.rglob("*.safetensors")):
        halves = {name: tensor.to(torch.float16) for name, tensor in load_file(path).items()}
        save_file(halves, path.with_suffix(".fp16.safetensors"), {"format": "pt"})
    return folder_of_files(copy)


def taesd(folder: Path) -> dict[str, bytes]:
    """A tiny autoencoder alone, its files at the root."""
    from diffusers import AutoencoderTiny

    AutoencoderTiny(
        encoder_block_out_channels=(8,) * 4,
        decoder_block_out_channels=(8,) * 4,
        num_encoder_blocks=(1,) * 4,
        num_decoder_blocks=(1,) * 4,
    ).save_pretrained(folder)
    return {**folder_of_files(folder), "diffusion_pytorch_model.bin": b"pickle"}


def lightning(xl: Path, folder: Path) -> dict[str, bytes]:
    """Denoisers of other numbers than the base's, each in one file, beside whole checkpoints."""
    from safetensors.torch import load_file, save_file

    folder.mkdir()
    files = {}
    for steps in (2, 4, 8):
        weights = {name: tensor * (1 + steps / 10) for name, tensor in load_file(xl / UNET).items()}
        name = f"sdxl_lightning_{steps}step_unet.safetensors"
        save_file(weights, folder / name)
        files[name] = (folder / name).read_bytes()
        files[f"sdxl_lightning_{steps}step.safetensors"] = noise(100, steps)
    return files


def drawn(ran: Ran) -> bytes:
    assert ran.code == 0, ran.err
    return Path(ran.lines[0]["image"]).read_bytes()


def picture(name: str) -> bytes:
    """The pixels an installed function draws, small."""
    function = Profile.current().catalog()[name]
    pipeline = load(function, EngineSettings(device="cpu"))
    made = pipeline.generate(Job.of(function, "a cat", 1, width=16, height=16), ignore, never)
    pipeline.close()
    return made.image.tobytes()


@pytest.mark.slow
def test_a_plain_model_is_fetched_in_half_precision_and_draws(
    hub: FakeHub, home: Path, tiny_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    hub.repos["stabilityai/sd-turbo"] = with_fp16(
        tiny_folder("stable-diffusion"), tmp_path / "both"
    )
    assert ask(hub, home, "pull", "sd-turbo", "-q").code == 0
    there = cems("show", "sd-turbo", "--json", home=home).document
    weights = {f["path"] for f in there["files"] if f["path"].endswith(".safetensors")}
    assert weights
    assert all(path.endswith(".fp16.safetensors") for path in weights)
    options = ("--size", "16x16", "--no-score", "--json")
    assert drawn(
        cems("generate", "x", "--function", "sd-turbo@1", *options, home=home, timeout=600)
    )


@pytest.mark.slow
def test_a_model_with_another_decoder_draws(
    hub: FakeHub, home: Path, tiny_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    hub.repos |= {
        "stable-diffusion-v1-5/stable-diffusion-v1-5": folder_of_files(
            tiny_folder("stable-diffusion")
        ),
        "madebyollin/taesd": taesd(tmp_path / "taesd"),
    }
    assert ask(hub, home, "pull", "sd-taesd@25", "-q").out.split() == ["sd-taesd"]
    listed = {row["model"]: row for row in cems("ls", "--json", home=home).document}
    assert listed["sd-taesd"]["installed"]
    assert listed["sd-1.5"]["installed"]
    assert listed["taesd"]["installed"]
    options = ("--size", "16x16", "--no-score", "--json")
    assert drawn(
        cems("generate", "x", "--function", "sd-taesd@25", *options, home=home, timeout=600)
    )


@pytest.mark.slow
def test_a_model_with_another_denoiser_draws_with_it_and_keeps_the_base(
    shop: Desk,
    a_home_of_its_own: Path,
    tiny_folder: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    xl = tiny_folder("stable-diffusion-xl")
    shop.hub.repos |= {
        "stabilityai/stable-diffusion-xl-base-1.0": folder_of_files(xl),
        LIGHTNING: lightning(xl, tmp_path / "lightning"),
    }
    for steps in (4, 2):
        Assembler(shop.puller()).pull(PullRequest(f"sdxl-lightning-{steps}step"))
    assert {Path(one.path).name for one in shop.hub.asked if "lightning" in one.path} == {
        "sdxl_lightning_4step_unet.safetensors",
        "sdxl_lightning_2step_unet.safetensors",
    }
    functions = ("sdxl-lightning-4step@4", "sdxl-lightning-2step@2", "sdxl@10")
    assert len({picture(name) for name in functions}) == 3
    options = ("--size", "16x16", "--no-score", "--json")
    ran = cems(
        "generate", "x", "--function", functions[0], *options, home=a_home_of_its_own, timeout=600
    )
    assert drawn(ran)
    with pytest.raises(UsageError, match="sdxl-lightning-4step"):
        Profile.current().models.remove("sdxl")
    Profile.current().models.remove("sdxl-lightning-4step")
    assert Profile.current().models.verify("sdxl-lightning-2step", shop.events.append).damaged == ()


@pytest.mark.slow
@pytest.mark.parametrize("row", PLAIN, ids=lambda row: row["name"])
def test_every_model_is_pulled_under_its_name_and_draws_as_its_row_says(
    shop: Desk, row: dict[str, Any], tiny_folder: Callable[[str], Path]
) -> None:
    tiny = TINY[row["family"]]
    shop.hub.repos[row["source"]] = folder_of_files(tiny_folder(row["family"]))
    assert shop.pull(row["name"]).model == row["name"]
    assert len(shop.asked) == row.get("noncommercial", False)
    for function in Profile.current().catalog().of_model(row["name"])[:1]:
        pipeline = load(function, EngineSettings(device="cpu"))
        job = Job.of(function, "a red cat", 1, width=tiny.side, height=tiny.side)
        picture = pipeline.generate(job, ignore, never)
        assert picture.image.size == (tiny.side, tiny.side)
        pipeline.close()


def test_single_files_of_one_repository_lie_apart_and_are_removed_apart(shop: Desk) -> None:
    shop.hub.repos[LIGHTNING] = {
        f"sdxl_lightning_{steps}step_unet.safetensors": noise(900, steps) for steps in (2, 4, 8)
    }
    folders = [shop.pull(f"sdxl-lightning-{steps}step-unet").path for steps in (2, 4)]
    assert [sorted(folder_of_files(folder)) for folder in folders] == [
        ["sdxl_lightning_2step_unet.safetensors"],
        ["sdxl_lightning_4step_unet.safetensors"],
    ]
    assert shop.pull("sdxl-lightning-2step-unet").already
    assert Profile.current().models.remove("sdxl-lightning-2step-unet").freed_bytes == 900
    assert Profile.current().catalog().models()["sdxl-lightning-4step-unet"].installed
    assert not Profile.current().catalog().models()["sdxl-lightning-2step-unet"].installed


def test_a_repository_of_several_models_asks_which_is_meant(shop: Desk) -> None:
    with pytest.raises(UsageError, match="sdxl-lightning-2step-unet, sdxl-lightning-4step-unet"):
        shop.pull(LIGHTNING)


def test_a_repository_without_the_file_that_is_wanted_says_so(shop: Desk) -> None:
    shop.hub.repos[LIGHTNING] = {"sdxl_lightning_4step.safetensors": noise(900)}
    with pytest.raises(WeightsError, match="holds no sdxl_lightning_4step_unet"):
        shop.pull("sdxl-lightning-4step-unet")


def test_a_denoiser_of_another_shape_is_refused(shop: Desk, tiny_folder: Any) -> None:
    xl, small = tiny_folder("stable-diffusion-xl"), tiny_folder("stable-diffusion")
    shop.hub.repos |= {
        "stabilityai/stable-diffusion-xl-base-1.0": folder_of_files(xl),
        LIGHTNING: {"sdxl_lightning_4step_unet.safetensors": (small / UNET).read_bytes()},
    }
    with pytest.raises(WeightsError, match="other names or shapes"):
        Assembler(shop.puller()).pull(PullRequest("sdxl-lightning-4step"))
    assert not Profile.current().catalog()["sdxl-lightning-4step@4"].installed


def test_a_clip_model_is_taken_in_open_clip_s_files_only(shop: Desk) -> None:
    shop.hub.repos["laion/CLIP-ViT-g-14-laion2B-s12B-b42K"] = {
        "README.md": b"# CLIP",
        "config.json": b"{}",
        "model.safetensors": noise(700),
        "open_clip_config.json": b"{}",
        "open_clip_pytorch_model.bin": b"pickle",
        "open_clip_pytorch_model.safetensors": noise(800),
        "tokenizer.json": b"{}",
    }
    assert set(folder_of_files(shop.pull("clip-vit-g-14").path)) == {
        "open_clip_config.json",
        "open_clip_pytorch_model.safetensors",
        "tokenizer.json",
    }


def test_a_text_tower_is_pulled_verified_and_removed_like_every_model(shop: Desk) -> None:
    repo = "openai/clip-vit-base-patch16"
    shop.hub.repos[repo] = {
        "config.json": b"{}",
        "model.safetensors": noise(1000),
        "pytorch_model.bin": b"pickle",
        "vocab.json": b"{}",
    }
    assert shop.pull(repo).model == "clip-vit-b-16"
    assert Profile.current().catalog().models()["clip-vit-b-16"].installed
    assert Profile.current().models.verify(repo, shop.events.append).damaged == ()
    assert Profile.current().models.remove("clip-vit-b-16").freed_bytes > 1000
    assert not Profile.current().catalog().models()["clip-vit-b-16"].installed


def convert(pickle: Path, target: Path) -> None:
    """Stands in for the process that reads tensors; turns bytes around, so that they differ."""
    target.write_bytes(pickle.read_bytes()[::-1])


def nima(shop: Desk) -> Any:
    shop.hub.repos[NIMA] = {NIMA_FILE: noise(5000), "other.pth": noise(100)}
    puller = shop.puller()
    puller.converter = convert
    return puller


def test_pickled_weights_are_kept_as_safetensors_and_held_to_what_was_fetched(shop: Desk) -> None:
    installed = nima(shop).pull(PullRequest("nima"))
    safe = NIMA_FILE.replace(".pth", ".safetensors")
    assert folder_of_files(installed.path) == {safe: noise(5000)[::-1]}
    assert "noncommercial" in shop.asked[0]
    entry = shop.entry("nima")
    assert [file.path for file in entry.files] == [safe]
    assert [file.path for file in entry.fetched] == [NIMA_FILE]
    assert Profile.current().models.verify("nima", shop.events.append).damaged == ()
    again = nima(shop).pull(PullRequest("nima"))
    assert again.already
    assert shop.plans()[-1].download_bytes == 0
    assert len(shop.asked) == 1


def test_a_converted_file_that_is_damaged_is_fetched_and_made_again(shop: Desk) -> None:
    installed = nima(shop).pull(PullRequest("nima"))
    (file,) = installed.path.iterdir()
    file.write_bytes(b"x" * file.stat().st_size)
    assert Profile.current().models.verify("nima", shop.events.append).damaged
    repaired = nima(shop).pull(PullRequest("nima"))
    assert not repaired.already
    assert folder_of_files(repaired.path) == {file.name: noise(5000)[::-1]}


def test_a_conversion_that_fails_installs_nothing_and_fetches_nothing_twice(shop: Desk) -> None:
    puller = nima(shop)

    def refuse(pickle: Path, target: Path) -> None:
        raise WeightsError(f"{pickle.name} holds more than tensors")

    puller.converter = refuse
    with pytest.raises(WeightsError, match="more than tensors"):
        puller.pull(PullRequest("nima"))
    assert not Profile.current().catalog().models()["nima"].installed
    fetched = shop.hub.bytes_sent(NIMA_FILE)
    assert nima(shop).pull(PullRequest("nima")).downloaded_bytes == 0
    assert shop.hub.bytes_sent(NIMA_FILE) == fetched


def test_without_a_converter_a_pickle_is_not_even_fetched(shop: Desk) -> None:
    puller = nima(shop)
    puller.converter = None
    with pytest.raises(WeightsError, match="pickles only"):
        puller.pull(PullRequest("nima"))
    assert shop.hub.bytes_sent(NIMA_FILE) == 0


def test_a_changed_pickle_under_the_pinned_commit_is_refused(shop: Desk) -> None:
    shop.hub.shas[NIMA] = "a" * 40
    nima(shop).pull(PullRequest("nima"))
    Profile.current().models.remove("nima")
    puller = nima(shop)
    shop.hub.repos[NIMA][NIMA_FILE] = noise(5000, 9)
    shop.hub.repos[NIMA][NIMA_FILE] += b"more"
    with pytest.raises(DownloadError, match="changed"):
        puller.pull(PullRequest("nima"))


def test_a_licence_is_asked_for_once_whatever_is_removed_in_between(shop: Desk) -> None:
    nima(shop).pull(PullRequest("nima"))
    Profile.current().models.remove("nima")
    nima(shop).pull(PullRequest("nima"))
    assert len(shop.asked) == 1


def test_the_hub_s_own_licence_is_told_where_the_catalog_s_is_another(shop: Desk) -> None:
    shop.hub.repos["stabilityai/sd-turbo"] = pipeline_files()
    shop.hub.licence = "cc-by-nc-4.0"
    shop.agrees = False
    with pytest.raises(UsageError, match="not agreed"):
        shop.pull("sd-turbo")
    plan = shop.plans()[-1]
    assert isinstance(plan, PullPlan)
    assert plan.noncommercial
    assert any("cc-by-nc-4.0" in note for note in plan.notes)


def test_asking_needs_a_terminal_or_yes_and_happens_once(hub: FakeHub, home: Path) -> None:
    hub.repos["stabilityai/sdxl-turbo"] = {
        "model_index.json": json.dumps(
            {"_class_name": "StableDiffusionXLPipeline", "unet": ["diffusers", "U"]}
        ).encode(),
        "unet/config.json": b"{}",
        UNET: noise(2000),
    }
    refused = ask(hub, home, "pull", "sdxl-turbo")
    assert refused.code == 2
    assert "Non-Commercial" in refused.err
    assert ask(hub, home, "pull", "sdxl-turbo", "--yes", "-q").code == 0
    assert ask(hub, home, "rm", "sdxl-turbo", "--yes", "-q").code == 0
    again = ask(hub, home, "pull", "sdxl-turbo", "-q")
    assert again.code == 0, again.err
