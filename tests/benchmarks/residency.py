"""How true memory, seconds and prices are: foretold from small pictures, and what is recorded.

Two models of random weights share their text tower and decoder, as SDXL and what was distilled
from it do. Each draws at 64 and 128 pixels; a picture at 512 is then foretold and drawn, with
the shared parts on the device and without. What drawing truly takes is sampled beside the meter:
the anonymous memory of the process, every two milliseconds.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any

from cems_tui.cancel import never
from cems_tui.domain.function import Expected, GenerationFunction, Model
from cems_tui.domain.pricing import Pricing
from cems_tui.generation.cost_model import CostModel, Observation
from cems_tui.generation.families.registry import (
    EngineSettings,
    capabilities_of,
    expected_weights,
    held_weights,
    load,
)
from cems_tui.generation.meter import trim_heap
from cems_tui.generation.networks import Shelf
from cems_tui.generation.pipeline import Job, Picture
from cems_tui.generation.residency import Residency
from tests.benchmarks.row import row
from tests.generation.tiny_pipelines import save_stable_diffusion

FAMILY = "stable-diffusion"
STEPS = 2
SAMPLE_SECONDS = 0.002
SETTINGS = EngineSettings(device="cpu", precision="float32")


def run() -> list[dict[str, Any]]:
    """The rows: foretold ÷ true at 512 pixels, and recorded peaks ÷ true ones."""
    with TemporaryDirectory() as place:
        base, turbo = _models(Path(place))
        return [*_foretold(base, turbo), *_recorded(Path(place), base)]


@dataclass(frozen=True)
class _Truth:
    """One picture as it was."""

    picture: Picture
    held_bytes: int
    extra_bytes: int
    load_seconds: float
    load_bytes: int

    @property
    def peak_bytes(self) -> int:
        return self.held_bytes + self.extra_bytes


def _foretold(base: GenerationFunction, turbo: GenerationFunction) -> list[dict[str, Any]]:
    model = CostModel(weights=lambda function: held_weights(function, SETTINGS))
    shelf = Shelf()
    device = Residency(
        2**40,
        lambda function: load(function, SETTINGS, shelf),
        lambda function: expected_weights(function, SETTINGS, shelf),
        hold=shelf.hold,
    )
    for side in (64, 128):
        for function in (base, turbo):
            for _ in range(2):
                model.learn(_observed(function, side, _draw(device, function, side)))
            if side == 64:
                device.free(function.model.name)
    rows = []
    for beside in (False, True):
        device.close()
        if beside:
            with device.lease(base):
                pass
        there = (held_weights(base, SETTINGS) or {}) if beside else {}
        expected = model.predict(turbo, 512, 512, there)
        cold = _draw(device, turbo, 512)
        true = _draw(device, turbo, 512)
        rows += _compared(expected, cold, true, "shared parts there" if beside else "nothing there")
    device.close()
    return rows


def _compared(expected: Expected, cold: _Truth, true: _Truth, told: str) -> list[dict[str, Any]]:
    billed = true.picture.seconds * (1.0 - (true.picture.contention or 0.0))
    price = Pricing().usd(billed, true.peak_bytes)
    figures = {
        "memory": (expected.memory_bytes, true.peak_bytes, 1.3),
        "seconds": (expected.seconds, billed, 1.5),
        "price": (Pricing().of(expected).usd, price, 2.0),
        "bytes to load": (expected.load_bytes, cold.load_bytes, 1.05),
        "seconds to load": (expected.load_seconds, cold.load_seconds, 2.0),
    }
    asked = (expected.held_bytes or 0) + (expected.most_beside_bytes or 0)
    return [
        row(
            f"memory at 512 px, {told}",
            "what has to be free for it to fit (never a false `fits`)",
            1.0,
            true.peak_bytes / asked if asked else None,
            asked=asked,
            true=true.peak_bytes,
        )
    ] + [
        row(
            f"foretold {name} at 512 px after 64 and 128, {told}",
            "what it was (the larger ÷ the smaller)",
            bar,
            None if foretold is None else _apart(foretold, truth),
            foretold=foretold,
            true=truth,
        )
        for name, (foretold, truth, bar) in figures.items()
    ]


def _recorded(place: Path, base: GenerationFunction) -> list[dict[str, Any]]:
    """The peak that is recorded, of weights in the precision of their files and of widened ones."""
    rows = []
    for told, function in (("as they lie", base), ("widened", _halved(base, place / "half"))):
        device = Residency(
            2**40,
            lambda one: load(one, SETTINGS, Shelf()),
            lambda one: expected_weights(one, SETTINGS),
        )
        true = _draw(device, function, 256)
        recorded = true.held_bytes + (true.picture.extra_bytes or 0)
        value = recorded / true.peak_bytes
        rows.append(
            row(
                f"recorded peak, weights {told} in the file (0.95 to 1.10)",
                "weights + anonymous memory, sampled",
                1.10,
                value if value >= 0.95 else 1.10 / value,
                recorded=recorded,
                true=true.peak_bytes,
            )
        )
        device.close()
    return rows


def _apart(one: float, other: float) -> float:
    return max(one, other) / max(1e-12, min(one, other))


def _observed(function: GenerationFunction, side: int, true: _Truth) -> Observation:
    picture = true.picture
    return Observation(
        function.name,
        side,
        side,
        picture.encode_seconds,
        picture.denoise_seconds,
        picture.decode_seconds,
        load_seconds=true.load_seconds,
        memory_bytes=true.held_bytes + (picture.extra_bytes or 0),
        load_bytes=true.load_bytes,
        held_bytes=true.held_bytes,
        stage_bytes=picture.stage_bytes,
        contention=picture.contention,
    )


def _draw(device: Residency, function: GenerationFunction, side: int) -> _Truth:
    with device.lease(function) as lease:
        job = Job.of(function, "a red cat", 1, width=side, height=side)
        with _sampled() as extra:
            picture = lease.pipeline.generate(job, lambda step, steps: None, never)
        held = lease.pipeline.weight_bytes
        return _Truth(picture, held, extra(), lease.load_seconds, lease.load_bytes)


@contextmanager
def _sampled() -> Iterator[Callable[[], int]]:
    """By how much the anonymous memory of the process grew at most within the block.

    What earlier pictures freed is given back first: it would hide what this one takes.
    """
    trim_heap()
    ended, most, before = Event(), [0], _anonymous_bytes()

    def watch() -> None:
        while not ended.wait(SAMPLE_SECONDS):
            most[0] = max(most[0], _anonymous_bytes() - before)

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield lambda: most[0]
    finally:
        ended.set()
        watcher.join()


def _anonymous_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))


# The models.


def _models(place: Path) -> tuple[GenerationFunction, GenerationFunction]:
    """Two that share all but their denoiser: some 40 and 80 MB of 150."""
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel

    save_stable_diffusion(place / "base")
    torch.manual_seed(1)
    wide = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(96, 192, 384),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=32,
        attention_head_dim=8,
        norm_num_groups=8,
    )
    AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(32, 64, 128, 128),
        latent_channels=4,
        norm_num_groups=8,
    ).save_pretrained(place / "base" / "vae")
    index = place / "base" / "model_index.json"
    index.write_text(index.read_text().replace("AutoencoderTiny", "AutoencoderKL"))
    shutil.copytree(place / "base", place / "turbo")
    wide.save_pretrained(place / "base" / "unet")
    torch.manual_seed(2)
    for weight in wide.parameters():
        torch.nn.init.normal_(weight, std=0.02)
    wide.save_pretrained(place / "turbo" / "unet")
    return _function("base", place / "base"), _function("turbo", place / "turbo")


def _halved(function: GenerationFunction, folder: Path) -> GenerationFunction:
    """The same model with files of half the width."""
    from diffusers import AutoencoderKL, UNet2DConditionModel

    assert function.model.path is not None
    shutil.copytree(function.model.path, folder)
    for name, network_class in (("unet", UNet2DConditionModel), ("vae", AutoencoderKL)):
        network = network_class.from_pretrained(folder / name)
        shutil.rmtree(folder / name)
        network.half().save_pretrained(folder / name)
    return _function("half", folder)


def _function(name: str, folder: Path) -> GenerationFunction:
    model = Model(name, FAMILY, "CC0-1.0", "made", path=folder)
    able = capabilities_of(FAMILY, folder)
    return GenerationFunction(f"{name}@{STEPS}", model, STEPS, 1.0, 512, 512, capabilities=able)
