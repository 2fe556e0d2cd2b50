"""What a training tells of an epoch is read back as it was."""

from __future__ import annotations

import pytest

from cems_tui.domain.job import Epoch

TOLD = Epoch(3, 12, 0.0412, "validation error", 0.0583, 2, 6)


@pytest.mark.parametrize(
    "epoch",
    [TOLD, Epoch(1, 50, 1.25, "validation macro F1", 0.5), Epoch(1, 2, 0.0, "validation x", 0)],
)
def test_the_line_of_an_epoch_is_read_back(epoch: Epoch) -> None:
    assert Epoch.read(f"{epoch.words()}\n") == epoch


@pytest.mark.parametrize(
    "line", ["", "error: no such benchmark", "epoch 3", "epoch 3 of 12: loss x, validation error y"]
)
def test_other_lines_are_none(line: str) -> None:
    assert Epoch.read(line) is None


def test_how_much_of_the_training_is_done_counts_the_networks_before() -> None:
    assert TOLD.share == pytest.approx((1 + 3 / 12) / 6)
