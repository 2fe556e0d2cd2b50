"""Networks by content: equal ones are held once, others are never mistaken for them."""

from __future__ import annotations

import gc
import json
import os
import shutil
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cems_tui.cancel import never
from cems_tui.domain.function import GenerationFunction
from cems_tui.errors import WeightsError
from cems_tui.generation.families.registry import EngineSettings, expected_weights, load
from cems_tui.generation.networks import Shelf
from cems_tui.generation.pipeline import Job, Pipeline
from cems_tui.generation.residency import Residency
from cems_tui.generation.weight_files import component_files
from tests.generation.tiny_families import tiny_function
from tests.generation.tiny_pipelines import ignore

CPU = EngineSettings(device="cpu")
XL = "stable-diffusion-xl"


@pytest.fixture(scope="module")
def sdxl(tiny_folder: Callable[[str], Path]) -> GenerationFunction:
    return named(tiny_folder(XL), "sdxl")


@pytest.fixture(scope="module")
def lightning(
    sdxl: GenerationFunction, tmp_path_factory: pytest.TempPathFactory
) -> GenerationFunction:
    """SDXL with another denoiser: its decoder and text encoders are copies."""
    assert sdxl.model.path is not None
    folder = tmp_path_factory.mktemp("lightning")
    shutil.copytree(sdxl.model.path, folder, dirs_exist_ok=True)
    rescale(folder / "unet")
    return named(folder, "lightning")


def named(folder: Path, name: str) -> GenerationFunction:
    function = tiny_function(XL, folder)
    return replace(function, name=f"{name}@4", model=replace(function.model, name=name))


def rescale(component: Path) -> None:
    """Every weight of a component a little larger."""
    from safetensors.torch import load_file, save_file

    (path,) = component_files(component)
    weights = {name: weight * 1.2 for name, weight in load_file(path).items()}
    save_file(weights, path, metadata={"format": "pt"})


def change_a_weight(component: Path) -> None:
    """One bit in the last number of a component's file."""
    (path,) = component_files(component)
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)


def draw(pipeline: Pipeline, function: GenerationFunction) -> bytes:
    return bytes(pipeline.generate(Job.of(function, "a cat", 1), ignore, never).image.tobytes())


def parts(pipeline: Pipeline) -> dict[str, Any]:
    return {
        name: pipeline._pipe.components[name]  # type: ignore[attr-defined]
        for name in ("unet", "vae", "text_encoder", "text_encoder_2")
    }


def test_what_two_models_have_in_common_is_in_memory_once(
    sdxl: GenerationFunction, lightning: GenerationFunction
) -> None:
    shelf = Shelf()
    one, other = load(sdxl, CPU, shelf), load(lightning, CPU, shelf)
    same = {name for name, network in parts(one).items() if parts(other)[name] is network}
    assert same == {"vae", "text_encoder", "text_encoder_2"}
    assert len(set(one.weights) & set(other.weights)) == 3
    assert expected_weights(sdxl, CPU, shelf) == pytest.approx(one.weights, rel=0.01)


def test_models_that_share_draw_what_they_draw_alone(
    sdxl: GenerationFunction, lightning: GenerationFunction
) -> None:
    alone = [draw(load(function, CPU), function) for function in (sdxl, lightning)]
    assert alone[0] != alone[1]
    shelf = Shelf()
    one, other = load(sdxl, CPU, shelf), load(lightning, CPU, shelf)
    assert [draw(one, sdxl), draw(other, lightning), draw(one, sdxl)] == [*alone, alone[0]]
    one.close()
    assert draw(other, lightning) == alone[1]


def test_a_scheduler_is_never_shared(
    sdxl: GenerationFunction, lightning: GenerationFunction
) -> None:
    """diffusers' from_pipe hands on the scheduler too, with the state of its run."""
    shelf = Shelf()
    one, other = load(sdxl, CPU, shelf), load(lightning, CPU, shelf)
    before = draw(other, lightning)
    changed = replace(sdxl, steps=9, scheduler="EulerDiscreteScheduler")
    draw(one, changed)
    assert draw(other, lightning) == before


def test_a_shared_network_leaves_memory_with_the_last_who_holds_it(
    sdxl: GenerationFunction, lightning: GenerationFunction
) -> None:
    shelf = Shelf()
    one, other = load(sdxl, CPU, shelf), load(lightning, CPU, shelf)
    unet, towers = weakref.ref(parts(one)["unet"]), weakref.ref(parts(one)["text_encoder"])
    draw(one, sdxl)
    one.close()
    assert unet() is None
    assert towers() is not None
    other.close()
    assert towers() is None


def test_loading_and_closing_again_and_again_leaves_nothing_behind(
    sdxl: GenerationFunction, lightning: GenerationFunction
) -> None:
    import torch

    shelf = Shelf()

    def tensors_after_a_round() -> int:
        for function in (sdxl, lightning):
            pipeline = load(function, CPU, shelf)
            draw(pipeline, function)
            pipeline.close()
        gc.collect()
        return sum(type(thing) is torch.nn.Parameter for thing in gc.get_objects())

    tensors_after_a_round()
    first = tensors_after_a_round()
    assert tensors_after_a_round() == first


def test_sdxl_at_four_step_counts_is_one_set_of_weights_and_lightning_adds_its_denoiser(
    sdxl: GenerationFunction, lightning: GenerationFunction
) -> None:
    shelf = Shelf()
    residency = Residency(
        10**9,
        lambda function: load(function, CPU, shelf),
        lambda function: expected_weights(function, CPU, shelf),
        hold=shelf.hold,
    )
    functions = [replace(sdxl, name=f"sdxl@{steps}", steps=steps) for steps in (1, 2, 3, 5)]
    drawn: set[int] = set()
    for function in functions:
        with residency.lease(function) as lease:
            job = Job.of(function, "a cat", 1)
            lease.pipeline.generate(job, lambda _, steps: drawn.add(steps), never)
            whole = lease.pipeline.weight_bytes
    assert drawn == {1, 2, 3, 5}
    assert residency.held_bytes == whole
    with residency.lease(lightning) as lease:
        denoiser = sum(p.nbytes for p in parts(lease.pipeline)["unet"].parameters())
        assert lease.load_bytes == pytest.approx(denoiser, rel=0.01)
        assert residency.held_bytes == whole + lease.load_bytes
    residency.free("sdxl")
    assert residency.held_bytes == whole
    residency.close()


def test_one_that_leaves_for_another_hands_over_what_both_hold(
    sdxl: GenerationFunction, lightning: GenerationFunction
) -> None:
    shelf = Shelf()
    loaded: list[Any] = []
    budget = int(1.2 * sum((expected_weights(sdxl, CPU, shelf) or {}).values()))

    def note(function: GenerationFunction) -> Pipeline:
        pipeline = load(function, CPU, shelf)
        loaded.append(weakref.ref(parts(pipeline)["text_encoder"]))
        return pipeline

    residency = Residency(budget, note, lambda f: expected_weights(f, CPU, shelf), hold=shelf.hold)
    for function in (sdxl, lightning):
        with residency.lease(function):
            pass
    assert residency.resident() == {"lightning"}
    assert loaded[0]() is loaded[1]() is not None


def test_a_tiny_decoder_swapped_in_shares_the_rest(
    tiny_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    """SD with its own decoder and with TAESD: one denoiser, one text encoder."""
    from tests.generation.tiny_pipelines import kl_decoder

    taesd = tiny_folder("stable-diffusion")
    folder = Path(shutil.copytree(taesd, tmp_path / "whole"))
    shutil.rmtree(folder / "vae")
    kl_decoder(4).save_pretrained(folder / "vae")
    index = json.loads((folder / "model_index.json").read_text())
    index["vae"] = ["diffusers", "AutoencoderKL"]
    (folder / "model_index.json").write_text(json.dumps(index))
    shelf = Shelf()
    function, other = (tiny_function("stable-diffusion", f) for f in (taesd, folder))
    one, two = load(function, CPU, shelf), load(other, CPU, shelf)
    assert len(set(one.weights) & set(two.weights)) == 2
    assert draw(one, function) != draw(two, other)


# What counts as equal


@pytest.fixture
def unet(sdxl: GenerationFunction, tmp_path: Path) -> Path:
    assert sdxl.model.path is not None
    return Path(shutil.copytree(sdxl.model.path / "unet", tmp_path / "unet"))


def key(shelf: Shelf, component: Path, precision: Any = "float32") -> str:
    return shelf.key("UNet2DConditionModel", component, component_files(component), precision)


def edit(component: Path, **changes: Any) -> None:
    path = component / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_copy_is_equal_whatever_its_name_and_what_libraries_note_in_it(
    unet: Path, tmp_path: Path
) -> None:
    shelf = Shelf()
    copy = Path(shutil.copytree(unet, tmp_path / "copy"))
    (file,) = component_files(copy)
    file.rename(copy / "renamed.safetensors")
    edit(copy, _name_or_path="somewhere/else", _diffusers_version="0.1", torch_dtype="float16")
    assert key(shelf, copy) == key(shelf, unet)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(where=st.integers(1, 100_000), bit=st.integers(0, 7))
def test_a_single_bit_anywhere_makes_another_network(unet: Path, where: int, bit: int) -> None:
    shelf = Shelf()
    before = key(shelf, unet)
    other = unet.parent / "other"
    shutil.rmtree(other, ignore_errors=True)
    shutil.copytree(unet, other)
    (file,) = component_files(other)
    content = bytearray(file.read_bytes())
    content[-1 - where % 100_000] ^= 1 << bit
    file.write_bytes(content)
    assert key(shelf, other) != before
    assert key(shelf, unet) == before


def test_another_setting_class_or_precision_makes_another_network(unet: Path) -> None:
    shelf = Shelf()
    keys = {key(shelf, unet), key(shelf, unet, "float16")}
    keys.add(shelf.key("Other", unet, component_files(unet), "float32"))
    edit(unet, norm_eps=0.1)
    keys.add(key(shelf, unet))
    assert len(keys) == 4


def test_a_file_replaced_in_place_is_told_from_what_it_was(unet: Path) -> None:
    shelf = Shelf()
    before = key(shelf, unet)
    (file,) = component_files(unet)
    change_a_weight(unet)
    os.utime(file, ns=(1, 1))
    after = key(shelf, unet)
    assert after != before
    file.unlink()
    with pytest.raises(WeightsError):
        shelf.key("UNet2DConditionModel", unet, [file], "float32")


def test_a_component_without_a_configuration_is_refused(unet: Path) -> None:
    (unet / "config.json").unlink()
    with pytest.raises(WeightsError, match=r"config\.json is missing"):
        key(Shelf(), unet)


def test_nothing_is_kept_alive(unet: Path) -> None:
    class Network:
        pass

    shelf = Shelf()
    network = shelf.network("a", Network)
    assert shelf.network("a", Network) is network
    held = shelf.hold(["a", "b"])
    assert held == [network]
    gone = weakref.ref(network)
    del network, held
    gc.collect()
    assert gone() is None
    assert shelf.hold(["a"]) == []
