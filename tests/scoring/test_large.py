"""The scorers of real models, against references computed another way on fixed pictures."""

from __future__ import annotations

import json
import logging
import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cems_tui.errors import OutOfMemory, WeightsError
from cems_tui.files import file_digest
from cems_tui.scoring.aesthetic import AestheticScorer, joint_digest, layers_of
from cems_tui.scoring.clip import ClipScorer, PickScorer
from cems_tui.scoring.nima_network import PyiqaNimaScorer, backbone_of
from cems_tui.scoring.open_clip_tower import wants_quick_gelu
from cems_tui.scoring.runtime import chosen_device
from cems_tui.scoring.sharpness import SharpnessScorer
from tests.scoring.tiny_scorers import (
    DEVIATION,
    MEAN,
    SIDE,
    save_aesthetic_head,
    save_as_open_clip,
    save_nima,
    save_transformers_clip,
)

PROMPTS = ["a red cat", "the moon over a blue lake", "", "a dog &amp; a cat"]


def picture(width: int = 64, height: int = 64, seed: int = 1) -> Image.Image:
    """A picture by arithmetic: bands, a gradient and a pattern that differs with the seed."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    red = (x * 255) // max(width - 1, 1)
    green = (x * y * seed + 17 * seed) % 256
    blue = 255 * ((x // 4 + y // 4 + seed) % 2)
    return Image.fromarray(np.stack([red, green, blue], -1).astype(np.uint8), "RGB")


AWKWARD = [
    picture(640, 64),
    picture(64, 64),
    picture(40, 300),
    picture(3, 2),
    Image.new("RGB", (64, 64), "black"),
    Image.new("RGB", (64, 64), "white"),
    picture().convert("L"),
    picture().convert("P"),
    picture().convert("1"),
    Image.merge("RGBA", (*picture().split(), picture(seed=3).convert("L"))),
]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)

    def refuse(*arguments: object) -> None:
        raise AssertionError(f"a scorer asked the network: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same dual encoder twice: `hf` in transformers' layout, `open` in open_clip's."""
    folder = tmp_path_factory.mktemp("clips")
    model = save_transformers_clip(folder / "hf")
    save_as_open_clip(model, folder / "open", quick_gelu=True)
    save_as_open_clip(model, folder / "silent")
    return folder


@pytest.fixture(scope="module")
def nima(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_nima(tmp_path_factory.mktemp("nima"))


def reference_vectors(folder: Path, images: list[Image.Image], prompts: list[str]) -> Any:
    """Unit vectors by transformers' model, from pixels and tokens prepared here."""
    import torch
    from transformers import CLIPModel, CLIPTokenizer

    model = CLIPModel.from_pretrained(folder, local_files_only=True).eval()
    tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    pixels = [
        ((np.asarray(image, np.float32) / 255 - MEAN) / DEVIATION).transpose(2, 0, 1)
        for image in images
    ]
    words = tokenizer(prompts, padding=True, truncation=True, max_length=77, return_tensors="pt")
    with torch.no_grad():
        seen = model.get_image_features(torch.tensor(np.stack(pixels), dtype=torch.float32))
        said = model.get_text_features(**words)
    found = [getattr(one, "pooler_output", one).double().numpy() for one in (seen, said)]
    return [one / np.linalg.norm(one, axis=1, keepdims=True) for one in found]


@pytest.mark.parametrize("layout", ["open", "hf"])
def test_clip_scores_are_those_of_the_other_library(clips: Path, layout: str) -> None:
    images = [picture(SIDE, SIDE, seed) for seed in range(1, 4)]
    prompts = ["a red cat", "the moon over a blue lake", "a dog"]
    seen, said = reference_vectors(clips / "hf", images, prompts)
    expected = np.maximum(100 * (seen * said).sum(axis=1), 0)
    assert len(set(expected.round(2))) > 1
    scorer = ClipScorer(clips / layout, name="clip-vit-g-14")
    assert scorer.score(images, prompts) == pytest.approx(list(expected), abs=2e-3)


def test_quick_gelu_is_what_the_weights_were_trained_with_not_what_a_config_forgot(
    clips: Path,
) -> None:
    pictures, prompts = [picture(SIDE, SIDE)] * 3, PROMPTS[:3]
    right = ClipScorer(clips / "open").score(pictures, prompts)
    found = ClipScorer(clips / "silent", source="openai/clip-vit-large-patch14")
    plain = ClipScorer(clips / "silent", source="laion/CLIP-ViT-g-14-laion2B-s12B-b42K")
    assert found.score(pictures, prompts) == pytest.approx(right, abs=1e-4)
    assert plain.score(pictures, prompts) != pytest.approx(right, abs=1e-2)


@pytest.mark.parametrize(
    ("config", "source", "quick"),
    [
        ({}, "laion/CLIP-ViT-B-32-laion2B-s34B-b79K", False),
        ({}, "timm/vit_large_patch14_clip_224.openai", True),
        ({}, "timm/vit_base_patch16_clip_224.dfn2b", True),
        ({}, "apple/DFN5B-CLIP-ViT-H-14", True),
        ({}, "timm/vit_base_patch32_clip_224.metaclip_400m", True),
        ({}, "laion/CLIP-ViT-B-16-DataComp.XL-s13B-b90K", False),
        ({}, "", False),
        ({"quick_gelu": False}, "openai/clip", False),
        ({"quick_gelu": True}, "laion/CLIP", True),
    ],
)
def test_which_weights_want_quick_gelu(config: dict[str, Any], source: str, quick: bool) -> None:
    assert wants_quick_gelu(config, source) is quick


def test_pick_scores_are_the_scaled_cosines_of_the_projections(clips: Path) -> None:
    from safetensors import safe_open

    images = [picture(SIDE, SIDE, seed) for seed in range(1, 4)]
    seen, said = reference_vectors(clips / "hf", images, PROMPTS[:3])
    with safe_open(clips / "hf" / "model.safetensors", "np") as file:
        scale = float(np.exp(file.get_tensor("logit_scale")))
    expected = scale * (seen * said).sum(axis=1)
    found = PickScorer(clips / "hf", name="pickscore").score(images, PROMPTS[:3])
    assert found == pytest.approx(list(expected), abs=1e-3)


def test_pick_scores_need_neither_tokenizer_nor_preparation_of_their_own(
    clips: Path, tmp_path: Path
) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).symlink_to(clips / "hf" / name)
    images = [picture(SIDE, SIDE), picture(80, 50)]
    found = PickScorer(tmp_path, name="pickscore").score(images, PROMPTS[:2])
    whole = PickScorer(clips / "hf", name="pickscore").score(images, PROMPTS[:2])
    assert found == pytest.approx(whole, abs=1e-4)


def test_aesthetic_marks_are_the_chain_of_layers_on_the_unit_vector(
    clips: Path, tmp_path: Path
) -> None:
    layers = save_aesthetic_head(tmp_path)
    images = [picture(SIDE, SIDE, seed) for seed in range(1, 4)]
    seen, _ = reference_vectors(clips / "hf", images, PROMPTS[:1])
    for weight, bias in layers:
        seen = seen @ weight.double().numpy().T + bias.double().numpy()
    for tower in ("hf", "open"):
        scorer = AestheticScorer(tmp_path, clips / tower, name="laion-aesthetic")
        assert scorer.score(images, [""] * 3) == pytest.approx(list(seen[:, 0]), abs=1e-2)


def test_an_aesthetic_mark_is_another_instrument_s_when_head_or_tower_is(
    clips: Path, tmp_path: Path
) -> None:
    save_aesthetic_head(tmp_path)
    head = file_digest(next(tmp_path.glob("*.safetensors")))
    tower = file_digest(clips / "hf" / "model.safetensors")
    scorer = AestheticScorer(tmp_path, clips / "hf", name="laion-aesthetic")
    assert scorer.id == f"laion-aesthetic:{joint_digest(head, tower)}"
    assert len({joint_digest("a", "b"), joint_digest("b", "a"), joint_digest("a", "a")}) == 3


def test_a_head_of_another_clip_is_refused(clips: Path, tmp_path: Path) -> None:
    save_aesthetic_head(tmp_path, (768, 4, 1))
    with pytest.raises(WeightsError, match="takes 768 numbers"):
        AestheticScorer(tmp_path, clips / "hf", name="laion-aesthetic")


@pytest.mark.parametrize(
    "shapes",
    [
        {},
        {"0.weight": (1, 4)},
        {"0.weight": (3, 4), "0.bias": (3,)},
        {"0.weight": (3, 4), "0.bias": (3,), "2.weight": (1, 5), "2.bias": (1,)},
        {"0.weight": (1, 4), "0.bias": (1,), "conv.weight": (1, 3, 3, 3)},
    ],
)
def test_what_is_no_chain_of_layers_is_no_head(shapes: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(WeightsError):
        layers_of(shapes)


def nima_by_hand(weights: Path, backbone: str, images: list[Image.Image]) -> list[float]:
    """NIMA written out over timm's features, from the same file."""
    import timm
    import torch
    import torch.nn.functional as functional
    import torchvision.transforms.functional as pictures
    from safetensors.torch import load_file

    tensors = load_file(weights)
    body = timm.create_model(backbone, pretrained=False, features_only=True).eval()
    body.load_state_dict(
        {k.removeprefix("base_model."): v for k, v in tensors.items() if k.startswith("base")}
    )
    said = body.pretrained_cfg
    marks = []
    for image in images:
        x = torch.tensor(np.asarray(image, np.float32) / 255).permute(2, 0, 1)[None]
        x = pictures.center_crop(pictures.resize(x, said["input_size"][-1]), said["input_size"][1:])
        x = pictures.normalize(x, said["mean"], said["std"])
        with torch.no_grad():
            pooled = body(x)[-1].mean(dim=(2, 3))
            logits = functional.linear(
                pooled, tensors["classifier.2.weight"], tensors["classifier.2.bias"]
            )
        shares = logits.softmax(-1)[0].double().numpy()
        marks.append(float(shares @ np.arange(1, 11)))
    return marks


def test_nima_is_what_it_is_written_out_by_hand(nima: Path) -> None:
    images = [picture(), picture(300, 120, 2), Image.new("RGB", (64, 64), "orange")]
    found = PyiqaNimaScorer(nima.parent, name="nima").score(images, [""] * 3)
    assert found == pytest.approx(nima_by_hand(nima, "vgg16", images), abs=1e-4)
    assert max(found) - min(found) > 0.01
    assert all(1 <= mark <= 10 for mark in found)


def test_nima_on_inception_is_what_it_is_written_out_by_hand(tmp_path: Path) -> None:
    weights = save_nima(tmp_path, "inception_resnet_v2")
    found = PyiqaNimaScorer(tmp_path, name="nima-inception").score([picture()], [""])
    expected = nima_by_hand(weights, "inception_resnet_v2", [picture()])
    assert found == pytest.approx(expected, abs=1e-4)


def test_nima_is_what_pyiqa_itself_reads(
    nima: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import timm
    import torch
    from pyiqa.archs import nima_arch
    from pyiqa.models.inference_model import InferenceModel
    from safetensors.torch import load_file

    class Offline:
        @staticmethod
        def create_model(name: str, **options: Any) -> Any:
            return timm.create_model(name, **{**options, "pretrained": False})

    path = tmp_path / "nima.pth"
    torch.save({"params": load_file(nima)}, path)
    monkeypatch.setattr(nima_arch, "timm", Offline)
    theirs = InferenceModel("nima-vgg16-ava", device="cpu", pretrained_model_path=str(path))
    image = picture(200, 90, 5)
    pixels = torch.tensor(np.asarray(image, np.float32) / 255).permute(2, 0, 1)[None]
    found = PyiqaNimaScorer(nima.parent, name="nima").score([image], [""])
    assert found == pytest.approx([float(theirs(pixels))], abs=1e-5)


def test_building_nima_leaves_pyiqa_as_it_was(nima: Path) -> None:
    import timm
    from pyiqa.archs import nima_arch

    PyiqaNimaScorer(nima.parent, name="nima")
    assert nima_arch.timm is timm


def test_a_wide_picture_s_ends_are_not_seen_by_nima(nima: Path) -> None:
    scorer = PyiqaNimaScorer(nima.parent, name="nima")
    wide = picture(640, 64)
    painted = wide.copy()
    painted.paste("red", (0, 0, 200, 64))
    assert scorer.score([wide], [""]) == scorer.score([painted], [""])


@pytest.mark.parametrize(
    ("shape", "found"),
    [((10, 512), "vgg16"), ((10, 1536), "inception_resnet_v2"), ((1, 1536), None), ((10, 9), None)],
)
def test_a_nima_file_shows_its_backbone(shape: tuple[int, int], found: str | None) -> None:
    shapes = {"classifier.2.weight": shape}
    if found is not None:
        assert backbone_of(shapes).name == found
        return
    with pytest.raises(WeightsError):
        backbone_of(shapes)
    with pytest.raises(WeightsError):
        backbone_of({})


def by_loops(image: Image.Image) -> float:
    """The variance of the Laplacian, written as sums over pixels."""
    grey = np.asarray(image.convert("L"), float)
    height, width = grey.shape

    def at(row: int, column: int) -> float:
        row, column = abs(row), abs(column)
        row = 2 * (height - 1) - row if row >= height else row
        column = 2 * (width - 1) - column if column >= width else column
        return float(grey[row, column])

    values = [
        at(r - 1, c) + at(r + 1, c) + at(r, c - 1) + at(r, c + 1) - 4 * at(r, c)
        for r in range(height)
        for c in range(width)
    ]
    return sum(v * v for v in values) / len(values) - (sum(values) / len(values)) ** 2


def test_sharpness_is_the_variance_of_the_laplacian() -> None:
    for image in (picture(9, 7), picture(16, 16, 3), picture(2, 5)):
        found = SharpnessScorer().score([image], [""])
        assert found == pytest.approx([by_loops(image)], rel=1e-9)
    cv2 = pytest.importorskip("cv2")
    grey = np.asarray(picture(50, 31).convert("L"))
    expected = cv2.Laplacian(grey, cv2.CV_64F).var()
    assert SharpnessScorer().score([picture(50, 31)], [""]) == pytest.approx([expected], rel=1e-9)


def test_a_blurred_picture_is_less_sharp_and_a_flat_one_not_at_all() -> None:
    from PIL import ImageFilter

    sharp = picture(128, 128)
    soft = sharp.filter(ImageFilter.GaussianBlur(3))
    values = SharpnessScorer().score([sharp, soft, Image.new("RGB", (9, 9), "teal")], [""] * 3)
    assert values[0] > values[1] > values[2] == 0
    assert SharpnessScorer().score([Image.new("RGB", (1, 1))], [""]) == [0]


@pytest.fixture(scope="module")
def instruments(
    clips: Path, nima: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """One of each kind."""
    head = tmp_path_factory.mktemp("head")
    save_aesthetic_head(head)
    return {
        "nima": PyiqaNimaScorer(nima.parent, name="nima"),
        "clip": ClipScorer(clips / "open", name="clip-vit-g-14"),
        "aesthetic": AestheticScorer(head, clips / "open", name="laion-aesthetic"),
        "pickscore": PickScorer(clips / "hf", name="pickscore"),
        "sharpness": SharpnessScorer(),
    }


METRICS = ["nima", "clip", "aesthetic", "pickscore", "sharpness"]


@pytest.mark.parametrize("metric", METRICS)
def test_every_picture_gets_a_number_and_the_same_one_again(
    instruments: dict[str, Any], metric: str
) -> None:
    scorer = instruments[metric]
    prompts = [*["a cat"] * (len(AWKWARD) - 1), ""]
    once = scorer.score(AWKWARD, prompts)
    assert len(once) == len(AWKWARD)
    assert all(isinstance(value, float) and np.isfinite(value) for value in once)
    assert scorer.score(AWKWARD, prompts) == once
    assert scorer.score([], []) == []
    assert scorer.metric == metric


@pytest.mark.parametrize("metric", METRICS)
def test_a_picture_read_among_others_has_the_score_it_has_alone(
    instruments: dict[str, Any], metric: str
) -> None:
    scorer = instruments[metric]
    count = 3 if metric == "nima" else 19  # more than two batches
    images = [picture(48, 40, seed) for seed in range(count)]
    prompts = [f"{seed} cats" for seed in range(count)]
    together = scorer.score(images, prompts)
    alone = [scorer.score([i], [p])[0] for i, p in zip(images, prompts, strict=True)]
    assert together == pytest.approx(alone, abs=1e-3)


@pytest.mark.parametrize("metric", ["clip", "pickscore"])
def test_what_a_prompt_says_beyond_77_tokens_is_cut_and_the_end_kept(
    instruments: dict[str, Any], metric: str
) -> None:
    scorer = instruments[metric]
    most = "cat " * 75
    values = scorer.score([picture()] * 3, [most, most + "dog " * 300, most.replace("cat", "dog")])
    assert values[0] == pytest.approx(values[1], abs=1e-4)
    assert values[0] != pytest.approx(values[2], abs=1e-3)


def test_what_is_transparent_lies_on_white(instruments: dict[str, Any]) -> None:
    clear = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    white = Image.new("RGB", (16, 16), "white")
    [one, other] = instruments["clip"].score([clear, white], ["a cat"] * 2)
    assert one == other


@pytest.mark.parametrize("metric", METRICS)
def test_the_bytes_of_an_instrument_are_known(instruments: dict[str, Any], metric: str) -> None:
    held = instruments[metric].weight_bytes
    if metric == "sharpness":
        assert held == 0
    elif metric == "nima":
        assert held == 14_719_818 * 4
    else:
        assert 49408 * 32 * 4 < held < 10_000_000


@pytest.mark.parametrize("metric", METRICS)
def test_an_id_is_a_name_and_a_digest(instruments: dict[str, Any], metric: str) -> None:
    name, _, digest = instruments[metric].id.partition(":")
    if metric == "sharpness":
        assert name == "laplacian-variance"
    else:
        assert digest.startswith("sha256:")
        assert len(digest) == len("sha256:") + 64


def test_a_recorded_digest_is_taken_without_reading_the_file_again(clips: Path) -> None:
    assert ClipScorer(clips / "open", name="x", digest="sha256:1").id == "x:sha256:1"


def test_half_precision_reads_nearly_the_same(
    clips: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on an accelerator; the weights are then half the bytes."""
    import torch

    wholes = {
        "clip": ClipScorer(clips / "open", name="clip-vit-g-14"),
        "pickscore": PickScorer(clips / "hf", name="pickscore"),
    }
    for room in ("open_clip_tower", "transformers_tower"):  # a CPU's half convolutions take minutes
        monkeypatch.setattr(f"cems_tui.scoring.{room}.instrument_dtype", lambda _: torch.float16)
    halves = {
        "clip": (ClipScorer(clips / "open", name="clip-vit-g-14"), 0.5),
        "pickscore": (PickScorer(clips / "hf", name="pickscore"), 0.5),
    }
    for metric, (half, tolerance) in halves.items():
        whole = wholes[metric]
        images, prompts = [picture(), picture(300, 80, 2)], ["a red cat", "a dog"]
        found = half.score(images, prompts)
        assert found == pytest.approx(whole.score(images, prompts), abs=tolerance)
        assert half.score(images, prompts) == found
        # open_clip keeps its embedding of words in float32, most of so small a network.
        assert half.weight_bytes < whole.weight_bytes


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def drop_a_tensor(path: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(path)
    save_file({name: tensors[name] for name in sorted(tensors)[1:]}, path)


@pytest.mark.parametrize("damage", [cut, Path.unlink, drop_a_tensor])
@pytest.mark.parametrize("kind", ["nima", "open", "hf", "pick", "head"])
def test_damaged_weights_are_refused_in_one_line(
    clips: Path, nima: Path, tmp_path: Path, kind: str, damage: Any
) -> None:
    import shutil

    here = tmp_path / kind
    if kind == "head":
        save_aesthetic_head(here)
    else:
        shutil.copytree(nima.parent if kind == "nima" else clips / kind.replace("pick", "hf"), here)
    damage(next(here.glob("*.safetensors")))
    load = {
        "nima": lambda: PyiqaNimaScorer(here, name="nima"),
        "head": lambda: AestheticScorer(here, clips / "open", name="laion-aesthetic"),
        "pick": lambda: PickScorer(here, name="pickscore"),
    }
    with pytest.raises(WeightsError) as caught:
        load.get(kind, lambda: ClipScorer(here))()
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 3


def test_a_tokenizer_that_lost_its_words_is_refused(clips: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(clips / "hf", tmp_path / "hf")
    file = tmp_path / "hf" / "tokenizer.json"
    document = json.loads(file.read_text())
    document["model"]["vocab"] = dict(list(document["model"]["vocab"].items())[:100])
    document["model"]["merges"] = []
    file.write_text(json.dumps(document))
    with pytest.raises(WeightsError, match="tokens"):
        PickScorer(tmp_path / "hf", name="pickscore")


def test_a_config_that_would_be_completed_from_the_network_is_refused(
    clips: Path, tmp_path: Path
) -> None:
    import shutil

    shutil.copytree(clips / "open", tmp_path / "open")
    file = tmp_path / "open" / "open_clip_config.json"
    document = json.loads(file.read_text())
    document["model_cfg"]["text_cfg"]["hf_model_name"] = "org/tower"
    file.write_text(json.dumps(document))
    with pytest.raises(WeightsError, match="hf_model_name"):
        ClipScorer(tmp_path / "open")


def test_reading_writes_nothing_to_the_terminal(
    instruments: dict[str, Any],
    clips: Path,
    nima: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    ClipScorer(clips / "open").score([picture()], ["a cat"])
    PickScorer(clips / "hf", name="pickscore").score([picture()], ["a cat"])
    PyiqaNimaScorer(nima.parent, name="nima").score([picture()], [""])
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")
    assert logging.getLogger().level in (logging.WARNING, logging.NOTSET)


def test_networks_are_in_reading_mode_and_remember_nothing(instruments: dict[str, Any]) -> None:
    import torch

    for scorer in instruments.values():
        tower = getattr(scorer, "_tower", None)
        network = getattr(scorer, "_network", None) or getattr(tower, "_model", None)
        if network is not None:
            assert not any(module.training for module in network.modules())
            assert all(p.grad is None for p in network.parameters())
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("wanted", "held", "free", "device"),
    [
        ("auto", 10**9, None, "cpu"),
        ("auto", 10**9, 3 * 10**9, "cuda"),
        ("auto", 3 * 10**9, 3 * 10**9, "cpu"),
        ("cpu", 0, 10**12, "cpu"),
        ("cuda", 10**12, 1, "cuda"),
    ],
)
def test_where_an_instrument_reads(wanted: str, held: int, free: int | None, device: str) -> None:
    assert chosen_device(wanted, held, free) == device


def test_cuda_that_is_not_there_is_an_error() -> None:
    with pytest.raises(OutOfMemory):
        chosen_device("cuda", 0, None)


def test_pyiqa_is_imported_in_one_module_and_only_for_its_nima() -> None:
    root = Path(sys.modules["cems_tui"].__file__ or "").parent
    importers = {
        path.name
        for path in root.rglob("*.py")
        if any(
            line.strip().startswith(("import pyiqa", "from pyiqa"))
            for line in path.read_text("utf-8").splitlines()
        )
    }
    assert importers == {"nima_network.py"}
