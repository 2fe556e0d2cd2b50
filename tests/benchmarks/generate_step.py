"""What watching a picture costs: the leased generate step against the bare diffusers call.

Each round draws once with ours and twice with the bare call, in rotating order, so that drift
of the machine falls on all alike. Ours is compared with the mean of the two bare runs, and
these with each other (A/A); the ratio counts only when that control is close to 1. The clock is
the process's CPU time: other processes' load does not enter it, and everything here runs on the
CPU of this process.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

from cems_tui.generation.families import EngineSettings, expected_bytes, load
from cems_tui.generation.function import GenerationFunction, Model
from cems_tui.generation.pipeline import Job, never
from cems_tui.generation.residency import Residency

NAME = "generate_step"
PEER = "bare diffusers pipe(...), 20 steps"
BAR = 1.03
CONTROL_TOLERANCE = 0.03
STEPS = 20
GUIDANCE = 3.0
PROMPT = "a red apple left of a cat"
RESAMPLES = 2000


def run(pipeline_folder: Path, pairs: int = 30) -> dict[str, Any]:
    """One row of the benchmark table.

    Returns:
        name, peer, bar, value (median of the paired ratios, ours ÷ bare), ci95 (bootstrap over
        pairs), control (the A/A ratio and its interval), status: `holds` when the interval's
        upper end meets the bar, `short` when its lower end misses it, `unmeasured` when the
        control or the interval is too wide to say.
    """
    function = _function(pipeline_folder)
    settings = EngineSettings(device="cpu")
    residency = Residency(2**40, lambda f: load(f, settings), lambda f: expected_bytes(f, settings))
    pipe = _bare(pipeline_folder)

    def ours(seed: int) -> bytes:
        with residency.lease(function) as lease:
            job = Job.of(function, PROMPT, seed)
            return lease.pipeline.generate(job, lambda step, steps: None, never).image.tobytes()

    def bare(seed: int) -> bytes:
        return _draw_bare(pipe, seed)

    if any(ours(seed) != bare(seed) for seed in range(3)):
        raise AssertionError("the leased step does not draw what bare diffusers draws")
    ratios, control = _paired(ours, bare, pairs)
    residency.close()
    return _row(ratios, control)


def _row(ratios: Sequence[float], control: Sequence[float]) -> dict[str, Any]:
    low, high = _interval(ratios)
    control_low, control_high = _interval(control)
    steady = max(1 - control_low, control_high - 1) <= CONTROL_TOLERANCE
    status = "unmeasured"
    if steady and high <= BAR:
        status = "holds"
    elif steady and low > BAR:
        status = "short"
    return {
        "name": NAME,
        "peer": PEER,
        "bar": BAR,
        "value": median(ratios),
        "ci95": [low, high],
        "control": {"value": median(control), "ci95": [control_low, control_high]},
        "clock": "process CPU time",
        "pairs": len(ratios),
        "status": status,
    }


def _paired(
    ours: Callable[[int], bytes], bare: Callable[[int], bytes], pairs: int
) -> tuple[list[float], list[float]]:
    """Ratios ours ÷ bare and bare ÷ bare; the three runs of a round take every order in turn."""
    orders = ("obc", "cob", "bco", "ocb", "boc", "cbo")
    ratios, control = [], []
    for pair in range(pairs):
        seconds = {}
        for who in orders[pair % len(orders)]:
            started = process_time()
            (ours if who == "o" else bare)(pair)
            seconds[who] = process_time() - started
        ratios.append(2 * seconds["o"] / (seconds["b"] + seconds["c"]))
        control.append(seconds["c"] / seconds["b"])
    return ratios, control


def _interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % bootstrap interval of the median."""
    rng = random.Random(0)
    medians = sorted(median(rng.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return medians[int(0.025 * RESAMPLES)], medians[int(0.975 * RESAMPLES) - 1]


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
