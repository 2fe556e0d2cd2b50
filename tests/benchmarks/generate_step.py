"""What watching a picture costs: the leased generate step against the bare diffusers call.

Each round draws once with ours and twice with the bare call, in rotating order, so that drift
of the machine falls on all alike. Ours is compared with the mean of the two bare runs, and
these with each other (A/A); the ratio counts only when that control is close to 1. The clock is
the wall's: run it on a machine that does nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from cems_tui.cancel import never
from cems_tui.domain.function import GenerationFunction, Model
from cems_tui.generation.families.registry import EngineSettings, expected_weights, load
from cems_tui.generation.pipeline import Job
from cems_tui.generation.residency import Residency
from cems_tui.paths import checkpoints
from tests.benchmarks.row import median_ratio, row

NAME = "the leased, watched, stoppable generate step"
PEER = "bare diffusers pipe(...), 20 steps, same pictures"
BAR = 1.03
CONTROL_TOLERANCE = 0.03
STEPS = 20
GUIDANCE = 3.0
PROMPT = "a red apple left of a cat"


def run(pipeline_folder: Path | None = None, pairs: int = 40) -> dict[str, Any]:
    """One row of the benchmark table, of the shipped base model unless a folder is given.

    The status follows from the median of the ratios, ours ÷ bare; it is `unmeasured` when the
    control's interval reaches further than 3 % from 1, or when there is no pack.
    """
    folder = pipeline_folder or checkpoints() / "starter" / "starter-base"
    if not (folder / "model_index.json").exists():
        return row(NAME, PEER, BAR, None, reason=f"there is no pipeline in {folder.name}")
    function = _function(folder)
    settings = EngineSettings(device="cpu")
    residency = Residency(
        2**40, lambda f: load(f, settings), lambda f: expected_weights(f, settings)
    )
    pipe = _bare(folder)

    def ours(seed: int) -> bytes:
        with residency.lease(function) as lease:
            job = Job.of(function, PROMPT, seed)
            return lease.pipeline.generate(job, lambda step, steps: None, never).image.tobytes()

    def bare(seed: int) -> bytes:
        return _draw_bare(pipe, seed)

    if any(ours(seed) != bare(seed) for seed in range(3)):
        raise AssertionError("the leased step does not draw what bare diffusers draws")
    result = _result(*_rounds(ours, bare, pairs))
    residency.close()
    return result


def _result(ours: list[float], bare: list[float], again: list[float]) -> dict[str, Any]:
    peers = [(one + other) / 2 for one, other in zip(bare, again, strict=True)]
    value, interval = median_ratio(ours, peers)
    control, control_interval = median_ratio(again, bare)
    result = row(
        NAME,
        PEER,
        BAR,
        value,
        ci95=interval,
        control=control,
        control_ci95=list(control_interval),
        pairs=len(ours),
        clock="wall",
    )
    if max(abs(1 - limit) for limit in control_interval) > CONTROL_TOLERANCE:
        result["status"] = "unmeasured"
    return result


def _rounds(
    ours: Callable[[int], bytes], bare: Callable[[int], bytes], pairs: int
) -> tuple[list[float], list[float], list[float]]:
    """Seconds of ours, bare and bare again; the three of a round take every order in turn."""
    orders = ("obc", "cob", "bco", "ocb", "boc", "cbo")
    seconds: dict[str, list[float]] = {"o": [], "b": [], "c": []}
    for pair in range(pairs):
        for who in orders[pair % len(orders)]:
            started = perf_counter()
            (ours if who == "o" else bare)(pair)
            seconds[who].append(perf_counter() - started)
    return seconds["o"], seconds["b"], seconds["c"]


def _function(folder: Path) -> GenerationFunction:
    side = _side(folder)
    model = Model("base", "stable-diffusion", "", str(folder), path=folder)
    return GenerationFunction(f"base@{STEPS}", model, STEPS, GUIDANCE, side, side)


def _side(folder: Path) -> int:
    """Pixels of the model's own pictures."""
    import json

    sample = json.loads((folder / "unet/config.json").read_text())["sample_size"]
    blocks = json.loads((folder / "vae/config.json").read_text())
    shapes = blocks.get("encoder_block_out_channels") or blocks["block_out_channels"]
    return int(sample * 2 ** (len(shapes) - 1))


def _bare(folder: Path) -> Any:
    import torch
    from diffusers import DiffusionPipeline

    pipe = DiffusionPipeline.from_pretrained(
        folder,
        dtype=torch.float32,
        use_safetensors=True,
        safety_checker=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _draw_bare(pipe: Any, seed: int) -> bytes:
    import torch

    made = pipe(
        PROMPT,
        num_inference_steps=STEPS,
        guidance_scale=GUIDANCE,
        generator=torch.Generator("cpu").manual_seed(seed),
    )
    return bytes(made.images[0].tobytes())
