"""Importing what is on the disk, verifying it, removing it: inspected, never loaded."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cems_tui import paths
from cems_tui.catalog import catalog
from cems_tui.errors import (
    CemsError,
    Interrupted,
    UnknownName,
    UsageError,
    WeightsError,
)
from cems_tui.models.events import ModelEvent, Noted
from cems_tui.models.importer import ImportWish
from cems_tui.models.ledger import Entry, Ledger
from cems_tui.profile import Profile
from tests.models.fake_hub import folder_of_files
from tests.models.hub_fixtures import Desk, desk, online

__all__ = ["desk", "online"]


def safetensors(shapes: dict[str, tuple[int, ...]], fill: int = 0) -> bytes:
    """A whole safetensors file of 16-bit floats."""
    header, end = {}, 0
    for name, shape in shapes.items():
        size = 2
        for side in shape:
            size *= side
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes([fill]) * end


UNET_SHAPES = {"conv_in.weight": (8, 4), "conv_out.weight": (4, 8)}


@dataclass
class Shelf:
    """A folder in the diffusers layout, to import from."""

    folder: Path
    events: list[ModelEvent] = field(default_factory=list)

    def write(self, path: str, data: bytes) -> Path:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        return target

    def bring(self, name: str = "mine", path: Path | None = None, **wish: object) -> Path:
        importer = Profile.current().models.importer(self.events.append)
        chosen = ImportWish(path or self.folder, name, **wish)  # type: ignore[arg-type]
        return importer.run(chosen).path


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    shelf = Shelf(tmp_path / "a folder ü")
    index = {
        "_class_name": "StableDiffusionPipeline",
        "text_encoder": ["transformers", "CLIPTextModel"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    shelf.write("model_index.json", json.dumps(index).encode())
    shelf.write("unet/config.json", b'{"sample_size": 96}')
    shelf.write("vae/config.json", b'{"block_out_channels": [1, 1, 1, 1]}')
    shelf.write("unet/diffusion_pytorch_model.safetensors", safetensors(UNET_SHAPES))
    shelf.write("vae/diffusion_pytorch_model.safetensors", safetensors({"a": (2, 2)}))
    shelf.write("text_encoder/model.safetensors", safetensors({"b": (3,)}))
    return shelf


def test_a_folder_in_place_becomes_a_model_and_stays_where_it_is(shelf: Shelf) -> None:
    before = folder_of_files(shelf.folder)
    assert shelf.bring(steps=(4, 20)) == shelf.folder
    functions = Profile.current().catalog()
    assert [f.name for f in functions.of_model("mine")] == ["mine@4", "mine@20"]
    function = functions["mine@4"]
    assert (function.width, function.height, function.guidance) == (768, 768, 7.5)
    assert function.model.family == "stable-diffusion"
    assert function.model.path == shelf.folder
    removal = Profile.current().models.remove("mine")
    assert removal.freed_bytes == 0
    assert folder_of_files(shelf.folder) == before
    assert "mine" not in Profile.current().catalog().models()


@pytest.mark.parametrize("manner", ["copy", "link"])
def test_a_folder_is_copied_or_linked_into_the_profile(shelf: Shelf, manner: str) -> None:
    folder = shelf.bring(manner=manner)
    assert folder == paths.current().models / "imported" / "mine"
    assert folder_of_files(folder) == folder_of_files(shelf.folder)
    links = [path.is_symlink() for path in folder.rglob("*") if path.is_file()]
    assert all(links) if manner == "link" else not any(links)
    assert Profile.current().models.verify("mine", shelf.events.append).damaged == ()
    freed = Profile.current().models.remove("mine").freed_bytes
    copied = sum(map(len, folder_of_files(shelf.folder).values()))
    assert freed == (copied if manner == "copy" else 0)
    assert not folder.exists()
    assert shelf.folder.exists()


@pytest.mark.parametrize(
    ("configs", "side"),
    [
        ({"unet": {"sample_size": 64}, "vae": {"block_out_channels": [1] * 4}}, 512),
        ({"transformer": {"sample_size": 32}, "vqvae": {"block_out_channels": [1] * 5}}, 512),
        (
            {"transformer": {"sample_size": 32}, "vae": {"decoder_block_out_channels": [1] * 6}},
            1024,
        ),
        ({"transformer": {"layers": 2}, "vae": {"block_out_channels": [1] * 4}}, 1024),
        ({"unet": {"layers": 2}}, 512),
        ({}, 512),
    ],
)
def test_the_size_of_pictures_is_read_from_the_configs(
    tmp_path: Path, configs: dict[str, object], side: int
) -> None:
    from cems_tui.models.inspect import native_side

    for part, config in configs.items():
        (tmp_path / part).mkdir()
        (tmp_path / part / "config.json").write_text(json.dumps(config))
    assert native_side(tmp_path) == side


def test_every_family_has_a_default_guidance_and_is_found_by_its_class() -> None:
    from cems_tui.generation.families.registry import FAMILIES, family_of_class
    from cems_tui.models.inspect import default_guidance

    for name, family in FAMILIES.items():
        assert family_of_class(family.pipeline_class) == name
        assert default_guidance(name) > 0


def test_the_digest_of_an_import_is_that_of_its_files(shelf: Shelf) -> None:
    from cems_tui.generation.networks import weights_digest

    folder = shelf.bring()
    assert Profile.current().catalog()["mine@20"].model.digest == weights_digest(folder)


def test_a_plan_reads_headers_and_writes_nothing(shelf: Shelf) -> None:
    importer = Profile.current().models.importer(shelf.events.append)
    plan = importer.plan(ImportWish(shelf.folder, "mine"))
    assert plan.inspection.parameter_count == 64 + 4 + 3
    assert not paths.current().models.exists()


@pytest.mark.parametrize("name", ["whole.ckpt", "model.pt", "weights.bin", "x.PTH"])
def test_a_pickle_is_refused_with_the_reason_and_the_way_to_convert(
    shelf: Shelf, name: str
) -> None:
    with pytest.raises(UsageError, match="pickle") as refused:
        shelf.bring(path=shelf.write(name, b"\x80\x04"))
    assert "runs whatever code" in refused.value.hint
    assert "safe_serialization=True" in refused.value.hint


def test_a_folder_whose_weights_are_pickles_is_refused(shelf: Shelf) -> None:
    (shelf.folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    shelf.write("unet/diffusion_pytorch_model.bin", b"\x80\x04")
    with pytest.raises(UsageError, match="pickles only"):
        shelf.bring()


def test_a_link_that_leaves_the_folder_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (shelf.folder / "unet" / "more.json").symlink_to(tmp_path / "secret")
    with pytest.raises(UsageError, match="leaves"):
        shelf.bring()


def test_a_folder_whose_name_is_no_utf_8_is_imported(shelf: Shelf, tmp_path: Path) -> None:
    import os

    elsewhere = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    shelf.folder.rename(elsewhere)
    assert shelf.bring(path=elsewhere) == elsewhere
    assert Profile.current().catalog()["mine@20"].model.path == elsewhere


def test_a_model_whose_files_went_away_is_not_installed(shelf: Shelf) -> None:
    shelf.bring(manner="link")
    (shelf.folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    assert not Profile.current().catalog()["mine@20"].installed


def test_a_link_within_the_folder_is_fine(shelf: Shelf) -> None:
    (shelf.folder / "unet" / "more.json").symlink_to(shelf.folder / "unet" / "config.json")
    assert shelf.bring(manner="copy").is_dir()


def _cut(shelf: Shelf) -> None:
    path = shelf.folder / "unet" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def _no_vae(shelf: Shelf) -> None:
    (shelf.folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()


def _no_json(shelf: Shelf) -> None:
    shelf.write("model_index.json", b"[]")


def _no_shard(shelf: Shelf) -> None:
    """One of two shards is there, under the names that an index gives them."""
    names = [f"diffusion_pytorch_model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    whole = shelf.folder / "unet" / "diffusion_pytorch_model.safetensors"
    whole.rename(whole.with_name(names[0]))
    weight_map = dict(zip(UNET_SHAPES, names, strict=True))
    index = json.dumps({"metadata": {}, "weight_map": weight_map})
    shelf.write(f"unet/{whole.name}.index.json", index.encode())


def _no_first_shard(shelf: Shelf) -> None:
    whole = shelf.folder / "vae" / "diffusion_pytorch_model.safetensors"
    whole.rename(whole.with_name("diffusion_pytorch_model-00002-of-00002.safetensors"))


def _no_words(shelf: Shelf) -> None:
    index = json.loads((shelf.folder / "model_index.json").read_text())
    index["tokenizer"] = ["transformers", "CLIPTokenizer"]
    shelf.write("model_index.json", json.dumps(index).encode())
    shelf.write("tokenizer/tokenizer_config.json", b"{}")


def _marked(shelf: Shelf) -> None:
    index = (shelf.folder / "model_index.json").read_text()
    shelf.write("model_index.json", index.encode("utf-8-sig"))


@pytest.mark.parametrize("pipeline", ["StableDiffusionInpaintPipeline", ["mine", "MyPipeline"]])
def test_a_pipeline_that_cannot_be_drawn_with_is_refused_by_name(
    shelf: Shelf, pipeline: object
) -> None:
    index = json.loads((shelf.folder / "model_index.json").read_text())
    shelf.write("model_index.json", json.dumps({**index, "_class_name": pipeline}).encode())
    with pytest.raises(UsageError, match=r"Pipeline.*, which cannot be drawn with here"):
        shelf.bring()


@pytest.mark.parametrize(
    "damage", [_cut, _no_vae, _no_json, _no_shard, _no_first_shard, _no_words, _marked]
)
def test_a_folder_that_is_not_whole_is_refused(shelf: Shelf, damage: object) -> None:
    damage(shelf)  # type: ignore[operator]
    with pytest.raises(CemsError) as refused:
        shelf.bring()
    assert refused.value.exit_code in (2, 3)
    assert Profile.current().catalog().models().get("mine") is None


@pytest.mark.parametrize("name", ["sd-turbo", "starter-base", "starter-x", "a/b", "x@4"])
def test_a_name_that_is_taken_or_misleads_is_refused(shelf: Shelf, name: str) -> None:
    with pytest.raises(UsageError):
        shelf.bring(name)


def test_a_name_is_given_once(shelf: Shelf) -> None:
    shelf.bring()
    with pytest.raises(UsageError, match="another model"):
        shelf.bring()


def test_a_copy_that_is_stopped_leaves_nothing(shelf: Shelf) -> None:
    importer = Profile.current().models.importer(
        shelf.events.append, stop=lambda: bool(shelf.events)
    )
    with pytest.raises(Interrupted):
        importer.run(ImportWish(shelf.folder, "mine", manner="copy"))
    assert not list(paths.current().models.rglob("*.safetensors"))


def test_one_network_is_imported_with_the_rest_of_its_base(shelf: Shelf, tmp_path: Path) -> None:
    shelf.bring("base")
    tuned = tmp_path / "tuned.safetensors"
    tuned.write_bytes(safetensors(UNET_SHAPES, fill=1))
    folder = shelf.bring("tuned", path=tuned, base="base")
    found = folder_of_files(folder)
    assert found["unet/diffusion_pytorch_model.safetensors"] == tuned.read_bytes()
    before = folder_of_files(shelf.folder)
    assert {k: v for k, v in found.items() if "unet/diff" not in k} == {
        k: v for k, v in before.items() if "unet/diff" not in k
    }
    assert Profile.current().catalog()["tuned@20"].installed


@pytest.mark.parametrize(
    ("shapes", "told"),
    [
        ({"something": (1,)}, "none of the networks"),
        ({"conv_in.weight": (8, 4)}, "1 of the 2 tensors of the unet"),
        ({"conv_in.weight": (8, 9), "conv_out.weight": (4, 8)}, "9 channels instead of 4"),
        ({"conv_in.weight": (8, 4), "conv_out.weight": (4, 9)}, "differ in shape"),
        ({"first_stage_model.a": (4, 4)}, "autoencoder.* and no U-Net"),
        ({"cond_stage_model.b": (4,)}, "text encoder and no U-Net"),
        (
            {"model.diffusion_model.input_blocks.0.0.weight": (8, 9), "first_stage_model.a": (4,)},
            "is an inpainting model: its U-Net takes 9 channels",
        ),
    ],
)
def test_a_file_that_is_no_network_of_the_base_says_what_is_supported(
    shelf: Shelf, tmp_path: Path, shapes: dict[str, tuple[int, ...]], told: str
) -> None:
    shelf.bring("base")
    file = tmp_path / "x.safetensors"
    file.write_bytes(safetensors(shapes))
    with pytest.raises(UsageError, match=told) as refused:
        shelf.bring("tuned", path=file, base="base")
    assert refused.value.hint


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("lora_unet_down.lora_down.weight", "LoRA"),
        ("unet.x.lora_A.weight", "LoRA"),
        ("lora_te1_text_model.alpha", "LoRA"),
        ("down.0.hada_w1_a", "LoRA"),
        ("control_model.input_hint_block.0.weight", "ControlNet"),
        ("emb_params", "textual inversion"),
        ("decoder.up.0.block.0.conv1.weight", "autoencoder"),
        ("input_blocks.0.0.weight", "U-Net in its original layout"),
    ],
)
@pytest.mark.parametrize("base", [None, "base"])
def test_a_file_that_is_no_model_is_called_by_what_it_is(
    shelf: Shelf, tmp_path: Path, name: str, told: str, base: str | None
) -> None:
    shelf.bring("base")
    file = tmp_path / "x.safetensors"
    file.write_bytes(safetensors({name: (4, 4)}))
    with pytest.raises(UsageError, match=told) as refused:
        shelf.bring("tuned", path=file, base=base)
    assert refused.value.hint
    assert not (paths.current().models / "imported").exists()


def test_half_of_a_part_of_a_checkpoint_is_told_before_anything_is_copied(
    shelf: Shelf, tmp_path: Path
) -> None:
    shelf.bring("base")
    file = tmp_path / "half.safetensors"
    file.write_bytes(
        safetensors({"model.diffusion_model.a": (8, 4), "first_stage_model.a": (4, 4)})
    )
    with pytest.raises(WeightsError, match=r"its U-Net has 32 numbers of 64") as refused:
        shelf.bring("half", path=file, base="base")
    assert refused.value.exit_code == 3
    assert not (paths.current().models / "imported").exists()


def test_what_a_checkpoint_lacks_is_the_bases_and_said_by_the_plan(
    shelf: Shelf, tmp_path: Path
) -> None:
    shelf.bring("base")
    file = tmp_path / "pruned.safetensors"
    file.write_bytes(safetensors({"model.diffusion_model.a": (8, 8)}))
    importer = Profile.current().models.importer(shelf.events.append)
    plan = importer.plan(ImportWish(file, "pruned", base="base"))
    assert plan.manner == "convert"
    assert plan.notes == (
        "it holds no autoencoder (VAE): that of base is taken",
        "it holds no text encoder: that of base is taken",
    )


def test_a_checkpoint_for_a_base_of_transformers_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    index = json.loads((shelf.folder / "model_index.json").read_text())
    (shelf.folder / "unet").rename(shelf.folder / "transformer")
    index["transformer"] = index.pop("unet")
    index["_class_name"] = "PixArtSigmaPipeline"
    shelf.write("model_index.json", json.dumps(index).encode())
    shelf.bring("base")
    file = tmp_path / "x.safetensors"
    file.write_bytes(safetensors({"model.diffusion_model.a": (8, 8)}))
    with pytest.raises(UsageError, match="PixArtSigmaPipeline"):
        shelf.bring("other", path=file, base="base")


@pytest.mark.parametrize(
    ("channels", "told"), [(9, "is an inpainting model"), (5, "draws from depth")]
)
def test_a_folder_of_a_known_class_whose_unet_draws_from_a_picture_is_refused(
    shelf: Shelf, channels: int, told: str
) -> None:
    shelf.write("unet/config.json", json.dumps({"in_channels": channels}).encode())
    shelf.write(
        "vae/config.json", json.dumps({"latent_channels": 4, "block_out_channels": [8]}).encode()
    )
    with pytest.raises(UsageError, match=told):
        shelf.bring()


@pytest.mark.parametrize(
    ("wish", "told"), [({"size": (13, 13)}, "multiples of 8"), ({"size": (8, 12)}, "multiples")]
)
def test_a_size_that_a_model_could_never_draw_is_refused_when_it_is_imported(
    shelf: Shelf, wish: dict[str, object], told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        shelf.bring(**wish)
    assert Profile.current().catalog().models().get("mine") is None


def test_a_file_without_a_base_and_a_base_that_is_not_there_are_refused(
    shelf: Shelf, tmp_path: Path
) -> None:
    file = tmp_path / "x.safetensors"
    file.write_bytes(safetensors(UNET_SHAPES))
    with pytest.raises(UsageError, match="one file"):
        shelf.bring(path=file)
    with pytest.raises(UnknownName):
        shelf.bring(path=file, base="nobody")


def test_damage_is_found_by_reading_and_told_by_file(shelf: Shelf) -> None:
    folder = shelf.bring(manner="copy")
    path = folder / "vae" / "diffusion_pytorch_model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    found = Profile.current().models.verify("mine", shelf.events.append)
    assert found.damaged == ("vae/diffusion_pytorch_model.safetensors",)
    assert not Profile.current().catalog()["mine@20"].installed
    data[-1] ^= 1
    path.write_bytes(data)
    assert Profile.current().models.verify("mine", shelf.events.append).damaged == ()
    assert Profile.current().catalog()["mine@20"].installed


def test_verifying_can_be_stopped(shelf: Shelf) -> None:
    shelf.bring()
    with pytest.raises(Interrupted):
        Profile.current().models.verify("mine", shelf.events.append, stop=lambda: True)


def test_a_file_that_two_models_use_stays_until_both_are_gone(desk: Desk, tmp_path: Path) -> None:
    desk.pull()
    desk.pull(rename="again")
    plan = Profile.current().models.plan_removal("tiny")
    assert plan.shared_with == ("again",)
    assert plan.freed_bytes == 0
    folder = desk.entry("again").folder
    Profile.current().models.remove("tiny")
    assert Profile.current().catalog()["again@20"].installed
    Profile.current().models.remove("again")
    assert folder is not None
    assert not (desk.models / folder).exists()


@pytest.mark.parametrize(
    "setting", [{"steps": (4,)}, {"guidance": 3.0}, {"size": (64, 64)}, {"rename": "mine"}]
)
def test_a_model_made_of_parts_takes_no_setting_and_says_so(
    desk: Desk, setting: dict[str, Any]
) -> None:
    from cems_tui.models.pull import Assembler
    from cems_tui.models.target import PullRequest

    desk.known = catalog.known_models()
    with pytest.raises(UsageError, match="put together"):
        Assembler(desk.puller()).plans(PullRequest("sd-taesd", **setting))


def test_a_model_made_of_parts_is_put_together_without_copying(desk: Desk) -> None:
    from cems_tui.models.pull import Assembler
    from cems_tui.models.target import PullRequest
    from tests.models.hub_fixtures import noise, pipeline_files

    desk.known = catalog.known_models()
    base, decoder = (desk.known[part].repo for _, part in desk.known["sd-taesd"].parts)
    assert base is not None
    assert decoder is not None
    small = {
        "config.json": b'{"_class_name": "AutoencoderTiny"}',
        "diffusion_pytorch_model.safetensors": noise(999),
        "diffusion_pytorch_model.bin": b"pickle",
    }
    desk.hub.repos |= {base: pipeline_files(), decoder: small}
    assembler = Assembler(desk.puller())
    assert [plan.repo for plan in assembler.plans(PullRequest("sd-taesd"))] == [base, decoder]
    installed = assembler.pull(PullRequest("sd-taesd"))
    assert installed.functions == ("sd-taesd@25",)
    found = folder_of_files(installed.path)
    assert json.loads(found["model_index.json"])["vae"] == ["diffusers", "AutoencoderTiny"]
    weights = "vae/diffusion_pytorch_model.safetensors"
    assert found[weights] == small["diffusion_pytorch_model.safetensors"]
    assert "vae/diffusion_pytorch_model.fp16.safetensors" not in found
    function = Profile.current().catalog()["sd-taesd@25"]
    assert function.installed
    assert (function.guidance, function.width) == (7.5, 512)
    assert Profile.current().models.verify("sd-taesd", desk.events.append).damaged == ()
    assert assembler.pull(PullRequest("sd-taesd@25")).already
    with pytest.raises(UsageError, match="sd-taesd"):
        Profile.current().models.remove(base)
    Profile.current().models.remove("sd-taesd")
    assert not Profile.current().catalog()["sd-taesd@25"].installed
    assert Profile.current().models.remove(base).freed_bytes > 700_000


def test_the_hub_s_cache_is_never_emptied(desk: Desk, tmp_path: Path) -> None:
    from tests.models.hub_fixtures import UNET
    from tests.models.test_pull import _cache

    snapshot = _cache(desk, tmp_path, {UNET})
    desk.pull()
    Profile.current().models.remove("tiny")
    assert (snapshot / UNET).is_file()


def test_a_removed_model_pulled_again_is_held_to_what_it_was(desk: Desk) -> None:
    from cems_tui.errors import DownloadError
    from tests.models.hub_fixtures import UNET, noise

    desk.hub.shas["org/Tiny"] = "a" * 40
    desk.pull()
    Profile.current().models.remove("org/Tiny")
    desk.hub.repos["org/Tiny"][UNET] = noise(700_000, 5)
    with pytest.raises(DownloadError, match="changed"):
        desk.pull()


def test_what_an_interrupted_pull_left_can_be_removed(desk: Desk) -> None:
    from cems_tui.errors import DownloadError
    from tests.models.fake_hub import Fault
    from tests.models.hub_fixtures import UNET

    desk.hub.fail(UNET, Fault(drop_after=300_000))
    desk.hub.fail(UNET, Fault(status=404, code="EntryNotFound"))
    with pytest.raises(DownloadError):
        desk.pull()
    assert Profile.current().models.plan_removal("tiny").freed_bytes >= 300_000
    Profile.current().models.remove("tiny")
    assert not list((desk.models / ".partial").rglob("*"))


def test_the_pack_stays_and_verifies(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="part of the program"):
        Profile.current().models.remove("starter-small")
    assert Profile.current().models.verify("starter-small", lambda event: None).damaged == ()


def test_an_entry_cannot_name_files_outside_its_folder(shelf: Shelf) -> None:
    from cems_tui.models.ledger import PinnedFile

    folder = shelf.bring(manner="copy")
    ledger = Ledger.read(paths.current().models)
    ledger.write(
        Entry("evil", folder=ledger.relative(folder), files=(PinnedFile("../../x", 1),), steps=(1,))
    )
    with pytest.raises(UnknownName, match="evil"):
        Profile.current().models.verify("evil", shelf.events.append)


@pytest.mark.slow
def test_a_whole_checkpoint_in_one_file_becomes_the_model_it_holds(
    shelf: Shelf, tmp_path: Path
) -> None:
    from tests.generation.original_layout import build, write_checkpoint

    base, tuned = build(seed=0), build(seed=1)
    base.save_pretrained(tmp_path / "base")
    shelf.bring("base", path=tmp_path / "base")
    file = write_checkpoint(tuned, tmp_path / "tuned.safetensors")
    plan = (
        Profile.current()
        .models.importer(shelf.events.append)
        .plan(ImportWish(file, "tuned", base="base"))
    )
    assert (plan.manner, plan.inspection.family) == ("convert", "stable-diffusion")
    folder = shelf.bring("tuned", path=file, base="base", steps=(2,))
    tuned.save_pretrained(tmp_path / "expected")
    for part in ("unet", "vae", "text_encoder"):
        _same_weights(folder / part, tmp_path / "expected" / part)
    assert (folder / "tokenizer" / "tokenizer.json").is_file()
    function = Profile.current().catalog()["tuned@2"]
    assert function.model.digest is not None
    assert (function.width, function.model.family) == (16, "stable-diffusion")
    file.unlink()
    assert Profile.current().models.verify("tuned", shelf.events.append).damaged == ()


@pytest.mark.slow
@pytest.mark.parametrize("without", ["first_stage_model.", "cond_stage_model."])
def test_a_checkpoint_without_a_part_takes_its_bases_and_keeps_its_own(
    shelf: Shelf, tmp_path: Path, without: str
) -> None:
    from safetensors.torch import load_file, save_file

    from tests.generation.original_layout import build, write_checkpoint

    base, tuned = build(seed=0), build(seed=1)
    base.save_pretrained(tmp_path / "base")
    tuned.save_pretrained(tmp_path / "tuned")
    shelf.bring("base", path=tmp_path / "base")
    file = write_checkpoint(tuned, tmp_path / "tuned.safetensors")
    kept = {name: t for name, t in load_file(file).items() if not name.startswith(without)}
    save_file(kept, file)
    folder = shelf.bring("pruned", path=file, base="base", steps=(2,))
    taken = "vae" if without.startswith("first") else "text_encoder"
    for part in ("unet", "vae", "text_encoder"):
        source = "base" if part == taken else "tuned"
        _same_weights(folder / part, tmp_path / source / part)
    notes = [event.text for event in shelf.events if isinstance(event, Noted)]
    assert len(notes) == 1
    assert "that of base is taken" in notes[0]


def _same_weights(folder: Path, expected: Path) -> None:
    import torch
    from safetensors.torch import load_file

    (ours,), (theirs,) = folder.glob("*.safetensors"), expected.glob("*.safetensors")
    found, wanted = load_file(ours), load_file(theirs)
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.slow
def test_a_checkpoint_of_another_size_than_its_base_is_refused_and_leaves_nothing(
    shelf: Shelf, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    from tests.generation.original_layout import build, write_checkpoint

    pipe = build(seed=0)
    pipe.save_pretrained(tmp_path / "base")
    shelf.bring("base", path=tmp_path / "base")
    file = write_checkpoint(pipe, tmp_path / "other.safetensors")
    tensors = load_file(file)
    name = "model.diffusion_model.time_embed.0.weight"
    tensors[name] = tensors[name][:, :8].contiguous()
    save_file(tensors, file)
    with pytest.raises(CemsError) as refused:
        shelf.bring("other", path=file, base="base")
    assert refused.value.exit_code in (2, 3)
    assert not (paths.current().models / "imported" / "other").exists()
    assert not list((paths.current().models / ".partial").rglob("*"))
