"""A damaged, cut, swapped or missing file is refused by name before anything is drawn."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cems_tui.errors import ModelMissing, UsageError, WeightsError
from cems_tui.generation.families.registry import EngineSettings, expected_bytes, load
from cems_tui.generation.networks import weights_digest
from cems_tui.generation.weight_files import component_files, read_header
from tests.generation.tiny_pipelines import function, save_stable_diffusion, tokenizer

CPU = EngineSettings(device="cpu")
UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_stable_diffusion(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "copy"))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def scribble(path: Path) -> None:
    path.write_bytes(b"\x00\xff" * (path.stat().st_size // 2))


@pytest.mark.parametrize(
    "damage", [cut, empty, scribble, Path.unlink], ids=["cut", "empty", "scribbled", "gone"]
)
@pytest.mark.parametrize(
    "file", [UNET, "vae/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"]
)
def test_a_damaged_weight_file_is_refused_by_name(
    copy: Path, file: str, damage: Callable[[Path], None]
) -> None:
    damage(copy / file)
    with pytest.raises(WeightsError, match=file.split("/")[0]) as caught:
        load(function(copy), CPU)
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)
    assert "cems verify NAME" in caught.value.hint  # it need not be a model of the starter pack


@pytest.mark.parametrize(
    "file",
    [
        "model_index.json",
        "unet/config.json",
        "scheduler/scheduler_config.json",
        "tokenizer/tokenizer.json",
        "text_encoder/config.json",
    ],
)
@pytest.mark.parametrize("damage", [empty, Path.unlink], ids=["empty", "gone"])
def test_a_damaged_configuration_is_refused(
    copy: Path, file: str, damage: Callable[[Path], None]
) -> None:
    damage(copy / file)
    with pytest.raises(WeightsError):
        load(function(copy), CPU)


def test_a_missing_tokenizer_folder_is_refused(copy: Path) -> None:
    shutil.rmtree(copy / "tokenizer")
    with pytest.raises(WeightsError):
        load(function(copy), CPU)


@pytest.mark.parametrize(
    "words", [("<pad>", "<unk>", "<bos>", "<eos>"), tuple(f"w{i}" for i in range(40))]
)
def test_a_tokenizer_of_another_model_is_refused(copy: Path, words: tuple[str, ...]) -> None:
    shutil.rmtree(copy / "tokenizer")
    tokenizer(words).save_pretrained(copy / "tokenizer")
    with pytest.raises(WeightsError, match="tokenizer is damaged"):
        load(function(copy), CPU)


@pytest.mark.parametrize("component", ["unet", "text_encoder", "vae"])
def test_a_weight_that_is_missing_from_its_file_is_refused_not_drawn_at_random(
    copy: Path, component: str
) -> None:
    from safetensors.torch import load_file, save_file

    (path,) = component_files(copy / component)
    weights = load_file(path)
    lost = sorted(weights)[0]
    weights.pop(lost)
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=f"{component} is incomplete: {lost}"):
        load(function(copy), CPU)


def test_a_weight_of_the_wrong_shape_is_refused(copy: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    (path,) = component_files(copy / "unet")
    weights = load_file(path)
    weights[sorted(weights)[0]] = torch.zeros(3)
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(WeightsError, match="does not load"):
        load(function(copy), CPU)


def test_weights_that_are_not_those_of_the_digest_are_refused(copy: Path) -> None:
    digest = weights_digest(copy)
    load(function(copy, digest=digest), CPU).close()
    content = bytearray((copy / UNET).read_bytes())
    content[-1] ^= 1
    (copy / UNET).write_bytes(content)
    with pytest.raises(WeightsError, match="not those expected"):
        load(function(copy, digest=digest), CPU)


def test_the_digest_depends_on_weights_and_names_only(copy: Path, whole: Path) -> None:
    digest = weights_digest(copy)
    (copy / "unet/config.json").write_text("{}")
    assert weights_digest(copy) == digest == weights_digest(whole)
    (copy / UNET).rename(copy / "unet/other.safetensors")
    assert weights_digest(copy) != digest


def test_a_folder_without_weights_has_no_digest(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no weights"):
        weights_digest(tmp_path)


def test_code_that_comes_with_a_folder_is_not_run(copy: Path) -> None:
    index = json.loads((copy / "model_index.json").read_text())
    index["unet"] = ["my_unet", "MyUNet"]
    (copy / "model_index.json").write_text(json.dumps(index))
    (copy / "my_unet.py").write_text("raise SystemExit('run')")
    with pytest.raises(WeightsError, match="no known class for unet"):
        load(function(copy), CPU)


def test_another_pipeline_class_is_refused(copy: Path) -> None:
    index = json.loads((copy / "model_index.json").read_text())
    index["_class_name"] = "FluxPipeline"
    (copy / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(WeightsError, match="FluxPipeline"):
        load(function(copy), CPU)


def test_a_model_that_is_not_installed_or_of_an_unknown_family_is_said_so(copy: Path) -> None:
    with pytest.raises(ModelMissing, match="tiny"):
        load(function(None), CPU)
    assert expected_bytes(function(None), CPU) is None
    with pytest.raises(WeightsError, match="perpetuum"):
        load(function(copy, family="perpetuum"), CPU)


def test_a_device_that_is_not_there_is_a_usage_error(copy: Path) -> None:
    with pytest.raises(UsageError, match="abacus"):
        load(function(copy), EngineSettings(device="abacus"))


def test_half_precision_files_are_loaded_where_there_are_no_others(copy: Path) -> None:
    from safetensors.torch import load_file, save_file

    for component in ("unet", "vae", "text_encoder"):
        (path,) = component_files(copy / component)
        weights = {name: value.half() for name, value in load_file(path).items()}
        path.unlink()
        save_file(weights, path.with_suffix(".fp16.safetensors"), metadata={"format": "pt"})
    pipeline = load(function(copy), CPU)
    assert pipeline.weight_bytes == pytest.approx(expected_bytes(function(copy), CPU), rel=0.01)


def test_the_header_tells_how_many_bytes_the_weights_will_hold(copy: Path) -> None:
    file = read_header(copy / UNET)
    assert file.loaded_bytes(4) == 2 * file.loaded_bytes(2) > 0


def rename_as(copy: Path, component: str, name: str, dtype: str = "float16") -> Path:
    """The component's file under another name, in another precision; the old one stays."""
    import torch
    from safetensors.torch import load_file, save_file

    (path,) = component_files(copy / component)
    weights = {key: value.to(getattr(torch, dtype)) for key, value in load_file(path).items()}
    save_file(weights, path.with_name(name), metadata={"format": "pt"})
    return path


@pytest.mark.parametrize("variant", ["fp16", "bf16"])
def test_the_half_variant_of_each_component_is_read_where_it_suffices(
    copy: Path, variant: str
) -> None:
    """diffusers wants a variant of every component or of none, and loads it as float32."""
    import torch

    plain = rename_as(copy, "unet", f"diffusion_pytorch_model.{variant}.safetensors")
    half = EngineSettings(device="cpu", precision="float16" if variant == "fp16" else "bfloat16")
    assert component_files(copy / "unet", half.precision or "float32") != [plain]
    assert component_files(copy / "unet", "float32") == [plain]
    plain.unlink()
    pipeline = load(function(copy), half)
    assert pipeline.weight_bytes == pytest.approx(expected_bytes(function(copy), half), rel=0.01)
    assert pipeline._pipe.unet.dtype == getattr(torch, half.precision or "")  # type: ignore[attr-defined]
    whole = load(function(copy), CPU)
    assert whole.weight_bytes == pytest.approx(2 * pipeline.weight_bytes, rel=0.01)


def test_files_beside_the_usual_ones_are_not_read_nor_counted(copy: Path) -> None:
    before = expected_bytes(function(copy), CPU)
    rename_as(copy, "unet", "diffusion_pytorch_model.non_ema.safetensors", "float32")
    assert expected_bytes(function(copy), CPU) == before
    load(function(copy), CPU).close()


def test_a_network_in_one_file_of_any_name_is_loaded(copy: Path) -> None:
    """As SDXL-Lightning's comes: a denoiser to put into SDXL's folder."""
    plain = rename_as(copy, "unet", "fast_4step_unet.safetensors")
    plain.unlink()
    pipeline = load(function(copy), CPU)
    assert pipeline.weight_bytes == pytest.approx(expected_bytes(function(copy), CPU), rel=0.01)


def shard(copy: Path, component: str) -> list[Path]:
    """The component in two files and an index."""
    from safetensors.torch import load_file, save_file

    (path,) = component_files(copy / component)
    weights = load_file(path)
    names = sorted(weights)
    shards = [
        path.with_name(f"diffusion_pytorch_model-0000{i}-of-00002.safetensors") for i in (1, 2)
    ]
    halves = (names[: len(names) // 2], names[len(names) // 2 :])
    for file, held in zip(shards, halves, strict=True):
        save_file({name: weights[name] for name in held}, file, metadata={"format": "pt"})
    places = {name: file.name for file, held in zip(shards, halves, strict=True) for name in held}
    index = {"metadata": {"total_size": 0}, "weight_map": places}
    path.with_name(path.name + ".index.json").write_text(json.dumps(index))
    path.unlink()
    return shards


def test_a_network_in_several_files_is_loaded_and_a_missing_one_is_named(copy: Path) -> None:
    before = expected_bytes(function(copy), CPU)
    shards = shard(copy, "unet")
    assert expected_bytes(function(copy), CPU) == before
    load(function(copy), CPU).close()
    shards[1].unlink()
    with pytest.raises(WeightsError, match="00002-of-00002"):
        load(function(copy), CPU)


def test_a_damaged_index_of_shards_is_refused_by_name(copy: Path) -> None:
    shard(copy, "unet")
    (copy / "unet/diffusion_pytorch_model.safetensors.index.json").write_text("{}")
    with pytest.raises(WeightsError, match=r"index\.json is damaged"):
        load(function(copy), CPU)


def test_weights_the_network_does_not_have_are_refused(copy: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    (path,) = component_files(copy / "unet")
    save_file({**load_file(path), "lora.up": torch.ones(2)}, path, metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"of another network: lora\.up is in its files"):
        load(function(copy), CPU)


def test_the_file_of_a_whole_clip_serves_as_its_text_encoder(copy: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    (path,) = component_files(copy / "text_encoder")
    weights = {**load_file(path), "vision_model.embeddings.class_embedding": torch.ones(2)}
    save_file(weights, path, metadata={"format": "pt"})
    load(function(copy), CPU).close()


def test_a_text_encoder_of_the_wrong_shape_is_refused(copy: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    (path,) = component_files(copy / "text_encoder")
    weights = load_file(path)
    weights[next(name for name in weights if "fc1.weight" in name)] = torch.zeros(3, 3)
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(WeightsError):
        load(function(copy), CPU)


def test_the_empty_tokenizer_that_transformers_makes_of_nothing_is_refused(copy: Path) -> None:
    index = json.loads((copy / "model_index.json").read_text())
    index["tokenizer"] = ["transformers", "CLIPTokenizer"]
    (copy / "model_index.json").write_text(json.dumps(index))
    (copy / "tokenizer/tokenizer.json").unlink()
    with pytest.raises(WeightsError, match="tokenizer is damaged: 4 tokens"):
        load(function(copy), CPU)
