"""The tables on which the papers' claim is tested, drawn with the pack itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cems_tui import paths
from cems_tui.score_tables.formats import read_table
from tests.experiments.claim import main, parts
from tests.experiments.claim_table import wins


def test_no_prompt_is_both_learned_from_and_judged_on() -> None:
    learned, judged = parts(200, 80)
    assert len(learned.asked) == 200
    assert len(judged.asked) == 80
    assert not {c.prompt for c in learned.asked} & {c.prompt for c in judged.asked}
    for part in (learned, judged):
        kinds = [case.kind for case in part.asked]
        assert {kinds.count(kind) for kind in kinds} == {len(part.asked) // 4}


def test_the_prompts_are_the_same_each_time() -> None:
    assert [c.prompt for c in parts(40, 8)[1].asked] == [c.prompt for c in parts(40, 8)[1].asked]


def test_a_prompt_is_won_by_the_cheapest_function_near_the_best() -> None:
    truth = np.array([[1.00, 1.04, 1.08], [1.00, 1.04, 1.20], [1.20, 1.04, 1.00]])
    won = wins(truth, np.array([1.0, 2.0, 3.0]))
    assert won.argmax(axis=1).tolist() == [1, 2, 0]
    assert (won.sum(axis=1) == 1).all()


@pytest.mark.slow
def test_drawing_goes_on_from_what_is_done_and_draws_the_same_again(tmp_path: Path) -> None:
    asked = ["--pack", str(paths.checkpoints() / "starter"), "--work", str(tmp_path)]
    asked += ["--function", "starter-small@4", "--function", "starter-base@4"]
    asked += ["--learned", "4", "--judged", "4", "--seeds", "2", "--dtype", "float32"]
    main(asked)
    first = read_table(tmp_path / "train.csv")
    assert len(first.rows) == 2 * 4 * 2 * 3
    assert first.metrics == ("nima", "clip", "complete")
    cost = first.costs()
    assert cost["starter-small@4"] < cost["starter-base@4"]  # type: ignore[operator]
    (tmp_path / "starter-small@4-train-1.json").unlink()
    main(asked)
    again = read_table(tmp_path / "train.csv")
    assert [row.score for row in again.rows] == [row.score for row in first.rows]
