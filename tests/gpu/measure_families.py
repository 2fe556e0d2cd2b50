"""Full-size models of random weights through the program's own adapters: seconds and bytes.

    python -m tests.gpu.measure_families --out results 1
    python -m tests.gpu.measure_families --out results 2
    python -m tests.gpu.measure_families --out results 3

Each step takes at most 8 minutes on a data centre's card and 30 GB of disk, and writes one
small JSON file a model; what is there is not measured again, so a step that was cut short is
simply repeated. Every step ends by writing `report.md` over all files there are.

Nothing is downloaded: weights are random, tokenizers are made here. A machine that has torch
but not the other libraries takes them from wheels, made where there is a network by

    pip download --no-deps --dest wheels "diffusers==0.42.1" "transformers==5.23.0" \\
        "huggingface_hub==2.4.0" "hf-xet==1.8.0" "httpx2==2.16.2" platformdirs

and installed there by `pip install --no-index --no-deps wheels/*.whl`.

`--tiny` runs the same path with models of a few thousand weights, on any machine, to test this
script; its seconds mean nothing. `--counts` counts parameters without memory or device.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from cems_tui.cancel import never
from cems_tui.domain.function import GenerationFunction, Model
from cems_tui.errors import CemsError
from cems_tui.generation.families.registry import EngineSettings, expected_bytes, load
from cems_tui.generation.pipeline import Job
from cems_tui.log import hush
from tests.gpu.architectures import ARCHITECTURES, COUNTED, Architecture
from tests.gpu.networks import architecture_of, build, parameter_count
from tests.gpu.report import counts_table, report
from tests.gpu.stages import stage_peaks

STEPS = (("sd-turbo", "sd-1.5", "amused-512"), ("sdxl", "pixart-sigma"), ("sd3.5-medium",))
STEP_SECONDS = 480
PROMPT = "a red cat the blue dog"
RUNS = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one step, or count; 0 when everything asked for is there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("step", type=int, nargs="?", choices=(1, 2, 3))
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--device", help="cuda, cpu …; default: the best there is")
    parser.add_argument("--tiny", action="store_true", help="tiny models, to test the path")
    parser.add_argument("--counts", action="store_true", help="count parameters, nothing else")
    chosen = parser.parse_args(arguments)
    chosen.out.mkdir(parents=True, exist_ok=True)
    hush()
    if chosen.counts:
        rows = [count(name) for name in COUNTED]
        (chosen.out / "parameters.json").write_text(json.dumps(rows, indent=1) + "\n")
        print(counts_table(rows))
        return 0
    if chosen.step is None:
        parser.error("say which step: 1, 2 or 3")
    started = time.monotonic()
    for name in STEPS[chosen.step - 1]:
        _measure_once(name, chosen, started)
    results = [json.loads(path.read_text()) for path in sorted(chosen.out.glob("model-*.json"))]
    (chosen.out / "report.md").write_text(report(results))
    there = {row["model"] for row in results if row["status"] == "measured"}
    return 0 if there >= set(STEPS[chosen.step - 1]) else 1


def _measure_once(name: str, chosen: argparse.Namespace, started: float) -> None:
    place = chosen.out / f"model-{name}.json"
    if place.exists() and json.loads(place.read_text())["status"] == "measured":
        print(f"{name}: is there already")
        return
    if time.monotonic() - started > STEP_SECONDS / 2:
        print(f"{name}: no time left in this step; run it again", file=sys.stderr)
        return
    scratch = Path(tempfile.mkdtemp(prefix="cems-measure-"))
    try:
        result = measure(name, scratch, chosen.device, tiny=chosen.tiny)
    except (CemsError, RuntimeError, OSError, ValueError, TypeError) as error:
        result = {"model": name, "status": f"failed: {type(error).__name__}: {error}"[:500]}
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    place.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{name}: {result['status']}")


def count(name: str) -> dict[str, Any]:
    """The parameters of a network beside what is published."""
    network, published, source = COUNTED[name]
    counted = parameter_count(network)
    return {"network": name, "counted": counted, "published": int(published), "source": source}


def measure(name: str, scratch: Path, device: str | None, *, tiny: bool) -> dict[str, Any]:
    """Build a model, load it through its adapter, and draw: seconds, bytes, parameters."""
    import torch

    from cems_tui.generation.device import probe, torch_device

    kind = torch_device(device)
    architecture = tiny_architecture(name, scratch / "source") if tiny else ARCHITECTURES[name]
    began = time.perf_counter()
    precision = "float32" if kind == "cpu" else "bfloat16"
    counts = build(architecture, scratch / "model", kind, precision)
    build_seconds = time.perf_counter() - began
    function = generation_function(name, architecture, scratch / "model")
    settings = EngineSettings(device=kind)
    began = time.perf_counter()
    pipeline = load(function, settings)
    load_seconds = time.perf_counter() - began
    draw = Job.of(function, PROMPT, 1)
    pictures = [pipeline.generate(draw, lambda *_: None, never) for _ in range(RUNS + 1)][1:]
    result = {
        "model": name,
        "status": "measured",
        "family": architecture.family,
        "tiny": tiny,
        "device": kind,
        "machine": probe().name,
        "torch": torch.__version__,
        "steps": function.steps,
        "guidance": function.guidance,
        "side": function.width,
        "parameters": counts,
        "build_seconds": build_seconds,
        "load_seconds": load_seconds,
        "expected_weight_bytes": expected_bytes(function, settings),
        "weight_bytes": pipeline.weight_bytes,
        "encode_seconds": median(picture.encode_seconds for picture in pictures),
        "denoise_seconds": median(picture.denoise_seconds for picture in pictures),
        "decode_seconds": median(picture.decode_seconds for picture in pictures),
        "extra_bytes": max((p.extra_bytes for p in pictures if p.extra_bytes), default=None),
        "stage_peak_bytes": stage_peaks(pipeline, draw, kind),
    }
    pipeline.close()
    return result


def tiny_architecture(name: str, folder: Path) -> Architecture:
    """The same family in a few thousand weights."""
    from tests.generation.tiny_families import TINY

    family = ARCHITECTURES[name].family
    tiny = TINY[family]
    steps = ARCHITECTURES[name].steps
    made: Architecture = architecture_of(
        tiny.save(folder), family, steps, ARCHITECTURES[name].guidance, tiny.side
    )
    return made


def generation_function(name: str, architecture: Architecture, folder: Path) -> GenerationFunction:
    """What draws with a model that was built, at its own steps, guidance and size."""
    model = Model(name, architecture.family, "random weights", "tests", path=folder)
    return GenerationFunction(
        name=f"{name}@{architecture.steps}",
        model=model,
        steps=architecture.steps,
        guidance=architecture.guidance,
        width=architecture.side,
        height=architecture.side,
    )


if __name__ == "__main__":
    raise SystemExit(main())
