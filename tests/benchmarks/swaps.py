"""What it costs to bring a model's weights back, and what loading holds at its peak.

`python -m tests.benchmarks.swaps FOLDER` prints a JSON line a row for a diffusers folder:

- `reload`: processor seconds of filling every network from its files into memory that an earlier
  one left, beside `from_pretrained` of the same networks with every page of them touched, since it
  maps files and reads them later. In turns, the order changing, `from_pretrained` twice a round:
  against itself it is the control.
- `loading`: the peak of the resident set while loading, above that before, ÷ the bytes of the
  weights; in processes of their own.
- `precision`: weights, peak and processor seconds of one picture in bfloat16 ÷ in float32; seconds
  say something only of a processor that multiplies in bfloat16.

`python -m tests.benchmarks.swaps --scorer ViT-g-14` does `loading` of an open_clip tower of random
weights in half precision, which it writes first. Large models take gigabytes of memory and disk.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

PAGE = 4096


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--scorer", help="an architecture of open_clip")
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--side", type=int, default=512, help="pixels of the picture")
    parser.add_argument("--rows", default="reload,loading,precision")
    parser.add_argument("--child", help="one measurement, for the process of its own")
    chosen = parser.parse_args()
    if chosen.child is not None:
        print(json.dumps(CHILDREN[chosen.child](chosen)))
        return 0
    if chosen.scorer is not None:
        with tempfile.TemporaryDirectory() as folder:
            write_tower(chosen.scorer, Path(folder))
            _print(_loading("tower-ours", "tower-library", folder))
        return 0
    for name in chosen.rows.split(","):
        if name == "reload":
            for precision in ("float16", "float32"):
                _print(reload(chosen.folder, precision, chosen.pairs))
        elif name == "loading":
            _print(_loading("model-ours", "model-library", str(chosen.folder)))
        else:
            _print(_precision(chosen.folder, chosen.side))
    return 0


def reload(folder: Path, precision: Any, pairs: int) -> dict[str, Any]:
    """The row of bringing weights back."""
    from cems_tui.generation.host_arena import HostArenas
    from tests.benchmarks.row import median_ratio, row

    arenas = HostArenas()
    made = _skeletons(folder, precision)
    names, index = list(made), _index(folder)
    from cems_tui.generation.families.layout import load_network

    def ours() -> list[Any]:
        return [made[name].filled(arenas, "cpu") for name in names]

    def theirs() -> list[Any]:
        networks = [load_network(folder, name, index, precision) for name in names]
        for network in networks:
            _touch(network)
        return networks

    _spent(ours)  # the first fills fresh memory, and reads the files into the page cache
    _spent(theirs)
    mine, peer, again = [], [], []
    for number in range(pairs):
        turns: list[tuple[list[float], Callable[[], list[Any]]]]
        turns = [(mine, ours), (peer, theirs), (again, theirs)]
        for place in range(3):
            seconds, make = turns[(number + place) % 3]
            seconds.append(_spent(make))
    value, interval = median_ratio(mine, [(a + b) / 2 for a, b in zip(peer, again, strict=True)])
    control, _ = median_ratio(again, peer)
    return row(
        f"reload into used memory, {precision}",
        "from_pretrained, every page touched",
        0.45,
        value,
        ci95=interval,
        control=control,
        pairs=pairs,
        clock="processor seconds of the process",
        bytes=sum(made[name].size for name in names),
        seconds=sorted(mine)[len(mine) // 2],
        peer_seconds=sorted(peer)[len(peer) // 2],
    )


def _spent(make: Callable[[], list[Any]]) -> float:
    began = time.process_time()
    made = make()
    seconds = time.process_time() - began
    del made
    gc.collect()
    return seconds


def _touch(network: Any) -> None:
    import torch

    for tensor in (*network.parameters(), *network.buffers()):
        if tensor.is_contiguous():
            tensor.detach().reshape(-1).view(torch.uint8)[::PAGE].sum()


def _index(folder: Path) -> dict[str, Any]:
    from cems_tui.generation.families.layout import read_index

    return read_index(folder)


def _skeletons(folder: Path, precision: Any) -> dict[str, Any]:
    from cems_tui.generation.families.layout import component_class
    from cems_tui.generation.families.registry import FAMILIES, family_of
    from cems_tui.generation.families.skeleton import skeleton_of
    from cems_tui.generation.weight_files import component_files
    from cems_tui.log import hush

    hush()
    index = _index(folder)
    made = {}
    for name in FAMILIES[family_of(index)].networks_of(index):
        files = component_files(folder / name, precision)
        network_class = component_class(folder, name, index)
        made[name] = skeleton_of(network_class, folder / name, files, precision)
        if made[name] is None:
            raise SystemExit(f"{name} of {folder} is loaded by its library: nothing to compare")
    return made


# Peaks, in processes of their own.


def _loading(ours: str, library: str, folder: str) -> dict[str, Any]:
    mine, theirs = _child(ours, folder), _child(library, folder)
    from tests.benchmarks.row import row

    return row(
        f"peak while loading ÷ bytes held ({ours.split('-', maxsplit=1)[0]})",
        "the library's own loading, beside",
        1.10,
        mine["peak"] / mine["held"],
        control=theirs["peak"] / theirs["held"],
        held_bytes=mine["held"],
        seconds=mine["seconds"],
        peer_seconds=theirs["seconds"],
        clock="processor seconds of the process",
    )


def _child(name: str, folder: str, *more: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.benchmarks.swaps", folder, "--child", name, *more]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _peak(load: Callable[[], Any], held: Callable[[Any], int]) -> dict[str, Any]:
    """Load once for the libraries' sake was done; the kernel's peak of the resident set."""
    from cems_tui.generation.meter import trim_heap

    gc.collect()
    trim_heap()
    Path("/proc/self/clear_refs").write_text("5")
    before, began = _status("VmRSS"), time.process_time()
    made = load()
    return {
        "peak": _status("VmHWM") - before,
        "held": held(made),
        "seconds": time.process_time() - began,
    }


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def _model_peak(chosen: argparse.Namespace, *, library: bool) -> dict[str, Any]:
    """SD-Turbo's case: files of 16 bits, held in 32."""
    from cems_tui.generation.families.layout import load_network
    from cems_tui.generation.host_arena import HostArenas

    folder, index = chosen.folder, _index(chosen.folder)
    made = _skeletons(folder, "float32")

    def load() -> list[Any]:
        if library:
            return [load_network(folder, name, index, "float32") for name in made]
        return [made[name].filled(HostArenas(), "cpu") for name in made]

    return _peak(load, lambda networks: sum(map(_bytes, networks)))


def _tower_peak(chosen: argparse.Namespace, *, library: bool) -> dict[str, Any]:
    import open_clip  # noqa: F401  its import is not part of it

    from cems_tui.scoring import open_clip_tower

    if library:
        open_clip_tower.fill = lambda *_: False
    return _peak(
        lambda: open_clip_tower.OpenClipTower(chosen.folder), lambda tower: tower.weight_bytes
    )


def _bytes(network: Any) -> int:
    tensors = (*network.parameters(), *network.buffers())
    return sum({t.data_ptr(): t.nbytes for t in tensors}.values())


def write_tower(name: str, folder: Path) -> None:
    """Small numbers of no meaning, in half precision, without a whole one in memory."""
    import torch
    from open_clip import get_model_config
    from open_clip.factory import create_model
    from safetensors.torch import save_file

    from cems_tui.scoring.weightless import weightless

    with weightless():
        model = create_model(name, load_weights=False, device="cpu")
    state = {
        key: torch.empty(tensor.shape, dtype=torch.float16).uniform_(-0.02, 0.02)
        for key, tensor in model.state_dict().items()
    }
    save_file(state, folder / "open_clip_model.safetensors")
    config = {"model_cfg": get_model_config(name), "preprocess_cfg": {}}
    (folder / "open_clip_config.json").write_text(json.dumps(config))


# One picture in two precisions.


def _precision(folder: Path, side: int) -> dict[str, Any]:
    half, whole = (
        _child("picture", str(folder), "--side", str(side), "--rows", name)
        for name in ("bfloat16", "float32")
    )
    from cems_tui.generation.precision import has_bfloat16_processor
    from tests.benchmarks.row import row

    return row(
        "weights in bfloat16",
        "in float32",
        0.51,
        half["weights"] / whole["weights"],
        peak_ratio=half["peak"] / whole["peak"],
        seconds_ratio=half["seconds"] / whole["seconds"],
        bfloat16_processor=has_bfloat16_processor(),
        side=side,
    )


def _picture(chosen: argparse.Namespace) -> dict[str, Any]:
    from cems_tui.cancel import never
    from cems_tui.domain.function import GenerationFunction, Model
    from cems_tui.generation.families.registry import EngineSettings, family_of, load
    from cems_tui.generation.pipeline import Job

    model = Model("it", family_of(_index(chosen.folder)), "none", "tests", chosen.folder)
    function = GenerationFunction("it@1", model, 1, 0.0, chosen.side, chosen.side)
    pipeline = load(function, EngineSettings(device="cpu", precision=chosen.rows))
    Path("/proc/self/clear_refs").write_text("5")
    began = time.process_time()
    picture = pipeline.generate(Job.of(function, "a red car", 1), lambda *_: None, never)
    return {
        "weights": pipeline.weight_bytes,
        "peak": pipeline.weight_bytes + (picture.extra_bytes or 0),
        "seconds": time.process_time() - began,
    }


CHILDREN: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "model-ours": lambda chosen: _model_peak(chosen, library=False),
    "model-library": lambda chosen: _model_peak(chosen, library=True),
    "tower-ours": lambda chosen: _tower_peak(chosen, library=False),
    "tower-library": lambda chosen: _tower_peak(chosen, library=True),
    "picture": _picture,
}


def _print(found: dict[str, Any]) -> None:
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
