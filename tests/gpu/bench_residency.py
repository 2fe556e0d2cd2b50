"""Two models on one card: what changing between them costs, beside the plain ways of diffusers.

    python -m tests.gpu.bench_residency --out results --models models 1
    python -m tests.gpu.bench_residency --out results --models models 2
    python -m tests.gpu.bench_residency --out results --models models 3

The first step writes SD-Turbo, Stable Diffusion 1.5 and SDXL with random weights into `models`
(13 GB), and measures the way to the card; the second the swaps, the memory of each stage and
capped cards; the third a long run beside a process that takes and frees memory, and scorers. Each
is meant to take at most 8 minutes on a data centre's card; `--rounds 8` shortens a slow one. A
measurement is one small JSON file in `results`, and is not made again where that is; a step that
was cut short is simply repeated. What could not be measured says so, with the reason. Wheels: as
for `tests.gpu.measure_families`, and `open_clip_torch`, `ftfy` and `regex` for the last one.

`--tiny` runs the same path with models of a few thousand weights, on any machine, to test this
script; its figures mean nothing.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

from cems_tui.cancel import never
from cems_tui.errors import CemsError, OutOfMemory
from cems_tui.generation.cost_model import CostModel, Observation
from cems_tui.generation.device import probe, torch_device
from cems_tui.generation.families.registry import EngineSettings, held_weights, load
from cems_tui.generation.pipeline import Job
from cems_tui.log import hush
from tests.gpu.architectures import ARCHITECTURES
from tests.gpu.measure_families import generation_function, tiny_architecture
from tests.gpu.networks import build
from tests.gpu.stages import stage_peaks
from tests.gpu.ways_to_swap import (
    PROMPT,
    Managed,
    Moved,
    Offloaded,
    Ours,
    Reloaded,
    Scene,
    Way,
)

MODELS = ("sd-turbo", "sd-1.5", "sdxl")
STEPS_OF_A_PICTURE = 2
GIGABYTE = 10**9
CAPS_GB = (8, 12, 16, 24)
SIDES = (512, 768, 1024, 1280, 1536)

Row = dict[str, Any]


@dataclass(frozen=True)
class Order:
    """What is measured, where, and how often."""

    scene: Scene
    rounds: int
    tiny: bool

    @property
    def on_card(self) -> bool:
        return self.scene.kind == "cuda"

    def room_for_one(self, *names: str) -> int:
        """Bytes that hold the largest of those models, and no second one."""
        return int(1.05 * max(map(self.weight_bytes, names)))

    def weight_bytes(self, name: str) -> int:
        settings = EngineSettings(device=self.scene.kind, precision=self.scene.precision)  # type: ignore[arg-type]
        held = held_weights(self.scene.functions[name], settings)
        assert held is not None
        return sum(held.values())


class Unmeasured(Exception):
    """Why something cannot be measured here."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one step; 0 when everything of it is measured or said to be unmeasurable here."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("step", type=int, choices=tuple(MEASUREMENTS))
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--models", type=Path, required=True, help="folder of the models made")
    parser.add_argument("--device", help="cuda, cpu …; default: the best there is")
    parser.add_argument("--rounds", type=int, default=20, help="swaps each way")
    parser.add_argument("--tiny", action="store_true", help="tiny models, to test the path")
    chosen = parser.parse_args(arguments)
    chosen.out.mkdir(parents=True, exist_ok=True)
    hush()
    kind = torch_device(chosen.device)
    scene = _scene(chosen.models, kind, tiny=chosen.tiny)
    order = Order(scene, chosen.rounds, chosen.tiny)
    failed = 0
    for name, measure in MEASUREMENTS[chosen.step].items():
        failed += not _measured_once(name, measure, order, chosen.out)
    return 1 if failed else 0


def _measured_once(
    name: str, measure: Callable[[Order], list[Row]], order: Order, out: Path
) -> bool:
    place = out / f"residency-{name}.json"
    if place.exists() and not json.loads(place.read_text())["status"].startswith("failed"):
        print(f"{name}: is there already")
        return True
    began, rows = time.monotonic(), list[Row]()
    try:
        rows = measure(order)
        status = "measured"
    except (Unmeasured, ImportError) as reason:
        status = f"unmeasured: {reason}"
    except (CemsError, RuntimeError, OSError, ValueError, TypeError) as error:
        status = f"failed: {type(error).__name__}: {error}"[:500]
    made = {
        "measurement": name,
        "status": status,
        "tiny": order.tiny,
        "device": order.scene.kind,
        "machine": probe().name,
        "precision": order.scene.precision,
        "seconds": time.monotonic() - began,
        "rows": rows,
    }
    place.write_text(json.dumps(made, indent=1) + "\n")
    print(f"{name}: {status}")
    return not status.startswith("failed")


def _scene(models: Path, kind: str, *, tiny: bool) -> Scene:
    """The models, written where they are not yet."""
    precision = "float16" if kind == "cuda" else "float32"
    functions = {}
    for name in MODELS:
        folder = models / name
        architecture = ARCHITECTURES[name]
        if tiny:
            with tempfile.TemporaryDirectory() as scratch:
                architecture = tiny_architecture(name, Path(scratch))
        if not (folder / "model_index.json").exists():  # written last
            build(architecture, folder, kind, precision)
        function = generation_function(name, architecture, folder)
        functions[name] = replace(function, steps=STEPS_OF_A_PICTURE)
    return Scene(functions, kind, precision)


# Step 1: the way to the card.


def link(order: Order) -> list[Row]:
    """Bytes a second from main memory, plain and pinned, and what pinning costs."""
    if not order.on_card:
        raise Unmeasured("there is no way to a card without one")
    import torch

    size = 2**30
    rows = []
    there = torch.empty(size, dtype=torch.uint8, device="cuda")
    plain = torch.ones(size, dtype=torch.uint8)
    for told in ("pageable", "pinned"):
        began = order.scene.waited()
        source = plain if told == "pageable" else plain.pin_memory()
        pinning = order.scene.waited() - began
        seconds = []
        for _ in range(10):
            began = order.scene.waited()
            there.copy_(source, non_blocking=True)
            seconds.append(order.scene.waited() - began)
        rows.append(
            {
                "memory": told,
                "bytes": size,
                "bytes_per_second": size / median(seconds),
                "seconds_to_pin": pinning if told == "pinned" else None,
            }
        )
    registered = torch.ones(size, dtype=torch.uint8)
    began = order.scene.waited()
    code = torch.cuda.cudart().cudaHostRegister(registered.data_ptr(), size, 0)
    rows.append(
        {
            "memory": "registered",
            "bytes": size,
            "seconds_to_register": order.scene.waited() - began if int(code) == 0 else None,
        }
    )
    if int(code) == 0:
        torch.cuda.cudart().cudaHostUnregister(registered.data_ptr())
    return rows


# Step 2: swaps, stages, capped cards.


def swaps(order: Order) -> list[Row]:
    """Until the first step is done after a change of model: ours and two plain ways, in turns.

    The two models do not fit together, so each change is a swap.
    """
    pair = ("sd-1.5", "sdxl")
    ways: dict[str, Way] = {
        "ours": Ours(order.scene, order.room_for_one(*pair)),
        "from_pretrained and to": Reloaded(order.scene, mapped=False),
        "from_pretrained with device_map": Reloaded(order.scene, mapped=True),
    }
    rows = []
    for told, way in ways.items():
        if told.endswith("device_map") and not order.on_card:
            continue
        for name in (*pair, *pair):  # libraries are imported and pages are read
            way.draw(name)
        way.close()
    for number in range(order.rounds):
        turn = list(ways) if number % 2 == 0 else list(reversed(ways))
        for told in turn:
            if told.endswith("device_map") and not order.on_card:
                continue
            ways[told].draw(pair[(number + 1) % 2])
            drawn = ways[told].draw(pair[number % 2])
            rows.append(
                {
                    "way": told,
                    "to": pair[number % 2],
                    "first_step_seconds": drawn.first_step_seconds,
                    "weight_bytes": order.weight_bytes(pair[number % 2]),
                }
            )
            ways[told].close()
    return rows


def alternating(order: Order) -> list[Row]:
    """Pictures of two models in turn that fit together, beside `enable_model_cpu_offload`."""
    ways = {"ours": lambda: Ours(order.scene, None), "offload": _offloaded(order)}
    return _in_turn(order, ways, ("sd-1.5", "sdxl"))


def capped(order: Order) -> list[Row]:
    """The same under 12 GB, beside `ComponentsManager`: seconds, and bytes to and from the card."""
    if not order.on_card:
        raise Unmeasured("nothing is copied between devices where there is one")
    room = order.room_for_one(*MODELS)
    with _card_of(12):
        return _in_turn(
            order,
            {"ours": lambda: Ours(order.scene, room), "manager": lambda: Managed(order.scene)},
            MODELS,
        )


def _offloaded(order: Order) -> Callable[[], Way]:
    if not order.on_card:
        return lambda: Reloaded(order.scene, mapped=False)
    return lambda: Offloaded(order.scene)


def _in_turn(order: Order, ways: dict[str, Callable[[], Way]], models: Sequence[str]) -> list[Row]:
    rows = []
    for told, opened in ways.items():
        way = opened()
        for name in models:
            way.draw(name)
        with Moved() as moved:
            began = order.scene.waited()
            for name in islice(cycle(models), order.rounds):
                way.draw(name)
            seconds = order.scene.waited() - began
        way.close()
        rows.append(
            {
                "way": told,
                "pictures": order.rounds,
                "seconds": seconds,
                "moved_bytes": moved.bytes if order.on_card else None,
            }
        )
    return rows


def peaks(order: Order) -> list[Row]:
    """What each stage takes beside the weights, and what was foretold of it from 512 pixels."""
    if not order.on_card:
        raise Unmeasured("stages are metered on a card")
    rows = []
    for name in MODELS:
        for precision in ("float16", "bfloat16", "float32"):
            rows += _peaks_of(order, name, precision)
    return rows


def _peaks_of(order: Order, name: str, precision: str) -> list[Row]:
    function = order.scene.functions[name]
    settings = EngineSettings(device=order.scene.kind, precision=precision)  # type: ignore[arg-type]
    model = CostModel(weights=lambda one: held_weights(one, settings))
    pipeline = load(function, settings)
    rows = []
    try:
        for side in SIDES:
            job = Job.of(function, PROMPT, 1, width=side, height=side)
            foretold = model.predict(function, side, side).most_beside_bytes if rows else None
            picture = pipeline.generate(job, lambda *_: None, never)
            if not rows:
                model.learn(
                    Observation(
                        function.name,
                        side,
                        side,
                        picture.encode_seconds,
                        picture.denoise_seconds,
                        picture.decode_seconds,
                        memory_bytes=pipeline.weight_bytes + (picture.extra_bytes or 0),
                        held_bytes=pipeline.weight_bytes,
                        stage_bytes=picture.stage_bytes,
                    )
                )
            rows.append(
                {
                    "model": name,
                    "precision": precision,
                    "side": side,
                    "weight_bytes": pipeline.weight_bytes,
                    "stage_peak_bytes": stage_peaks(pipeline, job, order.scene.kind),
                    "tiled_peak_bytes": _tiled_peaks(pipeline, job, order.scene.kind),
                    "extra_bytes": picture.extra_bytes,
                    "foretold_bytes": foretold,
                }
            )
    finally:
        pipeline.close()
        order.scene.emptied()
    return rows


def _tiled_peaks(pipeline: Any, job: Job, kind: str) -> dict[str, int] | None:
    """The same where the decoder goes over the latents in tiles."""
    decoder = pipeline._decoder
    decoder.enable_tiling()
    try:
        return stage_peaks(pipeline, job, kind)
    finally:
        decoder.disable_tiling()


def smaller_cards(order: Order) -> list[Row]:
    """The three models in turn on cards of 8 to 24 GB: pictures, refusals, failures."""
    if not order.on_card:
        raise Unmeasured("a card is made smaller by its allocator")
    rows = []
    for gigabytes in CAPS_GB:
        with _card_of(gigabytes):
            way = Ours(order.scene, int(0.7 * gigabytes * GIGABYTE))
            rows.append({"card_gb": gigabytes, **_long_run(order, way, order.rounds)})
            way.close()
    return rows


@contextmanager
def _card_of(gigabytes: float) -> Iterator[None]:
    """A card of so many gigabytes, for this process."""
    import torch

    share = gigabytes * GIGABYTE / probe().total_bytes
    torch.cuda.set_per_process_memory_fraction(min(1.0, share))
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


# Step 3: a long run beside others, fetching ahead, scorers.


def soak(order: Order) -> list[Row]:
    """Ten swaps a round while another process holds 0 to 8 GB of the card, changing all the time:
    no picture may fail, and refusing one before touching the card is not failing.

    Without a card there is no other process, which the row says.
    """
    way = Ours(order.scene, order.room_for_one(*MODELS), shared=True)
    if not order.on_card:
        run = _long_run(order, way, 10 * order.rounds)
        way.close()
        return [{"beside": None, **run}]
    spawned = multiprocessing.get_context("spawn")
    ended = spawned.Event()
    most = 8 * GIGABYTE
    other = spawned.Process(target=_take_and_free, args=(order.scene.kind, most, ended))
    other.start()
    try:
        return [{"beside": f"0 to {most} bytes", **_long_run(order, way, 10 * order.rounds)}]
    finally:
        ended.set()
        other.join()
        way.close()


def _take_and_free(kind: str, most_bytes: int, ended: Any) -> None:
    """Another program on the card."""
    import torch

    chance = random.Random(1)
    while not ended.wait(0.3):
        held = torch.empty(chance.randint(0, most_bytes), dtype=torch.uint8, device=kind)
        ended.wait(0.7)
        del held
        if kind == "cuda":
            torch.cuda.empty_cache()


def _long_run(order: Order, way: Ours, pictures: int) -> Row:
    made = refused = failed = 0
    for name in islice(cycle(MODELS), pictures):
        try:
            way.draw(name)
            made += 1
        except OutOfMemory:
            refused += 1
        except RuntimeError as error:
            if "memory" not in str(error).lower():
                raise
            failed += 1
    return {"pictures": pictures, "made": made, "refused_before": refused, "failed": failed}


def ahead(_order: Order) -> list[Row]:
    """How much of the next swap is hidden behind the picture before."""
    raise Unmeasured("no model is fetched before it is asked for")


def scorers(order: Order) -> list[Row]:
    """Seconds a picture of a CLIP tower on the processor and on the card."""
    from PIL import Image

    from cems_tui.scoring.open_clip_tower import OpenClipTower
    from tests.benchmarks.swaps import write_tower

    picture = Image.new("RGB", (512, 512), "red")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        write_tower("ViT-S-32-alt" if order.tiny else "ViT-L-14", Path(folder))
        for kind in dict.fromkeys(("cpu", order.scene.kind)):
            began = order.scene.waited()
            tower = OpenClipTower(Path(folder), kind)
            loading = order.scene.waited() - began
            seconds = []
            for _ in range(order.rounds):
                began = order.scene.waited()
                tower.see([picture])
                tower.say([PROMPT])
                seconds.append(order.scene.waited() - began)
            rows.append(
                {
                    "device": kind,
                    "weight_bytes": tower.weight_bytes,
                    "load_seconds": loading,
                    "picture_seconds": median(seconds),
                }
            )
    return rows


MEASUREMENTS: dict[int, dict[str, Callable[[Order], list[Row]]]] = {
    1: {"link": link},
    2: {
        "swaps": swaps,
        "alternating": alternating,
        "capped": capped,
        "peaks": peaks,
        "smaller-cards": smaller_cards,
    },
    3: {"soak": soak, "ahead": ahead, "scorers": scorers},
}

if __name__ == "__main__":
    sys.exit(main())
