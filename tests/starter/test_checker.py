"""The detector: its pictures, its targets, its files, and what it makes of its maps."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from cems_tui.errors import WeightsError  # noqa: E402
from cems_tui.starter.recipe.checks import detector as training  # noqa: E402
from cems_tui.starter.recipe.checks.checker import (  # noqa: E402
    CELL_PX,
    GROUNDS,
    LABELS,
    PAINTS,
    USUAL_PX,
    Checker,
    Detector,
    load_checker,
    look,
    save_checker,
)
from cems_tui.starter.recipe.checks.correctness import UNCLEAR, Natural  # noqa: E402


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def composed() -> tuple[torch.Tensor, training.Truth, torch.Tensor]:
    return training.compose(12, random.Random(5))


class Told(torch.nn.Module):
    """Maps as a faultless detector would give them for known objects."""

    def __init__(self, truth: training.Truth, grounds: torch.Tensor) -> None:
        super().__init__()
        due, (which, row, column, item) = training.targets(truth, len(grounds))
        count, side = len(due), due.shape[-1]
        nouns = torch.zeros(count, len(LABELS), side, side)
        paints = torch.zeros(count, len(PAINTS), side, side)
        size = torch.zeros(count, 1, side, side)
        offset = torch.zeros(count, 2, side, side)
        nouns[which, truth.label[item], row, column] = 5.0
        paints[which, truth.paint[item], row, column] = 5.0
        size[which, 0, row, column] = (truth.size[item] / USUAL_PX).log()
        middle = torch.stack([column, row], 1) + 0.5
        offset[which, :, row, column] = truth.centre[item] / CELL_PX - middle
        heat = due.clamp(1e-4, 1 - 1e-4).logit()[:, None]
        self.maps = [heat, nouns, paints, size, offset]
        self.ground = torch.nn.functional.one_hot(grounds, len(GROUNDS)).float()

    def forward(self, x: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
        return self.maps, self.ground


def test_what_the_targets_say_is_what_is_seen(
    composed: tuple[torch.Tensor, training.Truth, torch.Tensor],
) -> None:
    x, truth, grounds = composed
    pictures = np.zeros((len(x), 64, 64, 3), np.uint8)
    seen = look(Told(truth, grounds), pictures)  # type: ignore[arg-type]
    for index, found in enumerate(seen):
        own = [k for k in range(len(truth.picture)) if int(truth.picture[k]) == index]
        assert found.ground == GROUNDS[int(grounds[index])]
        assert len(found.detections) == len(own)
        for k in own:
            x_px, y_px = truth.centre[k].tolist()
            (one,) = [d for d in found.detections if abs(d.x - x_px) + abs(d.y - y_px) < 1e-3]
            assert one.noun == LABELS[int(truth.label[k])]
            assert one.colour == PAINTS[int(truth.paint[k])]
            assert one.size == pytest.approx(float(truth.size[k]), rel=1e-4)


def test_moving_a_picture_moves_what_is_known_of_it() -> None:
    x = torch.zeros(64, 3, 64, 64)
    x[:, :, 20:28, 40:48] = 1.0
    which = torch.arange(64)
    truth = training.Truth(
        which, which * 0, which * 0, torch.tensor([[44.0, 24.0]] * 64), torch.full((64,), 8.0)
    )
    after, centre, size = training.moved(x.clone(), truth, torch.Generator().manual_seed(1))
    moved = (after != x).flatten(1).any(1)
    assert 10 < int(moved.sum()) < 54
    weight = after[:, 0]
    grid = torch.arange(64) + 0.5
    total = weight.sum((1, 2))
    across = (weight.sum(1) * grid).sum(1) / total
    down = (weight.sum(2) * grid).sum(1) / total
    assert torch.allclose(torch.stack([across, down], 1), centre, atol=0.25)
    assert torch.allclose(total.sqrt(), size, atol=0.6)


def test_sprites_mixed_from_two_nouns_are_unclear() -> None:
    _, truth, _ = training.compose(200, random.Random(1))
    share = float((truth.label == LABELS.index(UNCLEAR)).float().mean())
    assert 0.03 < share < 0.15


def test_a_red_heart_is_naturally_red_and_a_banana_is_not_blue() -> None:
    natural = training.natural_colours().colours
    assert "red" in natural["heart"]
    assert "yellow" in natural["banana"]
    assert "blue" not in natural["banana"]
    assert "frog" not in natural or "red" not in natural["frog"]


def test_the_checker_comes_back_from_its_folder(tmp_path: Path) -> None:
    detector = Detector(8).eval()
    save_checker(Checker(detector, Natural({"apple": frozenset({"red"})})), tmp_path)
    back = load_checker(tmp_path)
    assert back.natural.colours == {"apple": frozenset({"red"})}
    x = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        before, after = detector(x)[0][0], back.detector(x)[0][0]
    assert torch.allclose(before, after, atol=0.05)


def test_the_shipped_width_stays_below_a_megabyte(tmp_path: Path) -> None:
    save_checker(Checker(Detector(), Natural()), tmp_path)
    assert (tmp_path / "model.safetensors").stat().st_size < 1_000_000


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"format": 2}, "newer"),
        ({"labels": ["cat"]}, "vocabulary"),
        ({"natural": []}, "cannot be read"),
        ({"width": 9}, "cannot be read"),
    ],
)
def test_a_checker_that_does_not_fit_is_refused(
    tmp_path: Path, change: dict[str, object], match: str
) -> None:
    save_checker(Checker(Detector(8), Natural()), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(WeightsError, match=match):
        load_checker(tmp_path)


def test_a_truncated_checker_is_an_error_of_ours(tmp_path: Path) -> None:
    save_checker(Checker(Detector(8), Natural()), tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="cannot be read"):
        load_checker(tmp_path)
