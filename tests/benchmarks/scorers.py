"""Seconds a picture and bytes of each large scorer, with random weights, on one core.

`python -m tests.benchmarks.scorers [NAME…]` prints a JSON line a scorer; `--large` adds those
whose networks take gigabytes. CPU seconds are those of this process, whatever else runs.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

SIDE = 512
CLIP = {"clip-vit-b-32": "ViT-B-32", "clip-vit-g-14": "ViT-g-14"}
LARGE = ("clip-vit-g-14", "pickscore")
REPEATS = 3


def main() -> int:
    import torch

    torch.set_num_threads(1)
    wanted = [name for name in sys.argv[1:] if not name.startswith("-")]
    for name, build in _builders().items():
        if wanted and name not in wanted:
            continue
        if name in LARGE and not wanted and "--large" not in sys.argv:
            continue
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(_measured(name, build(Path(folder)))), flush=True)
    return 0


def _measured(name: str, load: Callable[[], Any]) -> dict[str, Any]:
    from tests.scoring.test_large import picture

    began, cpu = time.perf_counter(), time.process_time()
    scorer = load()
    loaded = (time.perf_counter() - began, time.process_time() - cpu)
    image = picture(SIDE, SIDE)
    scorer.score([image], ["a red cat on a blue moon"])  # the first reading warms up
    began, cpu = time.perf_counter(), time.process_time()
    for _ in range(REPEATS):
        scorer.score([image], ["a red cat on a blue moon"])
    return {
        "scorer": name,
        "weight_bytes": scorer.weight_bytes,
        "load_cpu_seconds": round(loaded[1], 3),
        "load_seconds": round(loaded[0], 3),
        "cpu_seconds": round((time.process_time() - cpu) / REPEATS, 4),
        "seconds": round((time.perf_counter() - began) / REPEATS, 4),
    }


def _builders() -> dict[str, Callable[[Path], Callable[[], Any]]]:
    return {
        "sharpness": lambda folder: _sharpness,
        "nima": lambda folder: _nima(folder, "vgg16"),
        "nima-inception": lambda folder: _nima(folder, "inception_resnet_v2"),
        "clip-vit-b-32": lambda folder: _clip(folder, "clip-vit-b-32"),
        "laion-aesthetic": _aesthetic,
        "pickscore": _pick,
        "clip-vit-g-14": lambda folder: _clip(folder, "clip-vit-g-14"),
    }


def _sharpness() -> Any:
    from cems_tui.scoring.sharpness import SharpnessScorer

    return SharpnessScorer()


def _nima(folder: Path, backbone: str) -> Callable[[], Any]:
    from cems_tui.scoring.nima_network import PyiqaNimaScorer
    from tests.scoring.tiny_scorers import save_nima

    save_nima(folder, backbone)
    return lambda: PyiqaNimaScorer(folder, name="nima")


def _clip(folder: Path, name: str) -> Callable[[], Any]:
    from cems_tui.scoring.clip import ClipScorer

    _save_open_clip(folder, CLIP[name])
    return lambda: ClipScorer(folder, name=name, digest="sha256:random")


def _aesthetic(folder: Path) -> Callable[[], Any]:
    from cems_tui.scoring.aesthetic import AestheticScorer
    from tests.scoring.tiny_scorers import save_aesthetic_head

    save_aesthetic_head(folder / "head", (768, 1024, 128, 64, 16, 1))
    _save_open_clip(folder / "tower", "ViT-L-14-quickgelu")
    return lambda: AestheticScorer(
        folder / "head", folder / "tower", name="laion-aesthetic", digest="sha256:random"
    )


def _pick(folder: Path) -> Callable[[], Any]:
    import torch
    from transformers import CLIPConfig, CLIPModel

    from cems_tui.scoring.clip import PickScorer

    text = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24}
    vision = {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32}
    config = CLIPConfig(
        text_config={**text, "num_attention_heads": 16, "hidden_act": "gelu"},
        vision_config={
            **vision,
            "num_attention_heads": 16,
            "patch_size": 14,
            "hidden_act": "gelu",
        },
        projection_dim=1024,
    )
    with torch.device("meta"):
        model = CLIPModel(config)
    model = model.to_empty(device="cpu").half()
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.is_floating_point():
            tensor.data.uniform_(-0.02, 0.02)
    model.save_pretrained(folder)
    del model
    return lambda: PickScorer(folder, name="pickscore", digest="sha256:random")


def _save_open_clip(folder: Path, architecture: str) -> None:
    """Random weights in half precision, as large files are often published."""
    import torch
    from open_clip import get_model_config
    from open_clip.model import CLIP
    from safetensors.torch import save_file

    config = get_model_config(architecture)
    folder.mkdir(exist_ok=True)
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in CLIP(**config).state_dict().items()}
    generator = torch.Generator().manual_seed(2)
    tensors = {
        name: torch.empty(shape, dtype=torch.float16).uniform_(-0.02, 0.02, generator=generator)
        for name, shape in shapes.items()
    }
    save_file(tensors, folder / "open_clip_model.safetensors")
    document = {"model_cfg": config, "preprocess_cfg": {}}
    (folder / "open_clip_config.json").write_text(json.dumps(document))


if __name__ == "__main__":
    sys.exit(main())
