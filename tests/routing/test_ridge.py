"""Ridge regression: the kernel form, the closed form and the weights say the same."""

from __future__ import annotations

import numpy as np
import pytest

from cems_tui.routing.estimators.ridge import cross_validated, kernel, primal, solve
from cems_tui.routing.features.space import Sparse


def sparse_rows(count: int, size: int, seed: int = 0) -> tuple[list[Sparse], np.ndarray]:
    """Rows with frequent and rare features, and the same densely."""
    random = np.random.default_rng(seed)
    chance = np.where(np.arange(size) < 5, 0.9, 0.03)
    full = (random.random((count, size)) < chance) * random.normal(size=(count, size))
    full = full.astype(np.float32)
    rows = [Sparse(np.flatnonzero(row).astype(np.int32), row[row != 0]) for row in full]
    return rows, full


def targets_of(full: np.ndarray) -> np.ndarray:
    random = np.random.default_rng(1)
    true = random.normal(size=(full.shape[1], 2))
    return (full @ true + 3.0 + random.normal(size=(len(full), 2))).astype(np.float32)


def closed_form(full: np.ndarray, targets: np.ndarray, alpha: float, new: np.ndarray) -> np.ndarray:
    mean, offset = full.mean(axis=0), targets.mean(axis=0)
    centred = full - mean
    gram = centred.T @ centred + alpha * np.eye(full.shape[1])
    return (new - mean) @ np.linalg.solve(gram, centred.T @ (targets - offset)) + offset


def test_the_kernel_is_all_inner_products() -> None:
    rows, full = sparse_rows(300, 60)
    assert kernel(rows, 60) == pytest.approx(full @ full.T, abs=1e-4)


@pytest.mark.parametrize("alpha", [1.0, 10.0, 100.0])
def test_the_weights_predict_what_the_closed_form_predicts(alpha: float) -> None:
    rows, full = sparse_rows(200, 40)
    targets = targets_of(full)
    (dual,) = solve(kernel(rows, 40), [alpha], targets)
    ridge = primal(rows, 40, dual, targets)
    predicted = np.stack([ridge.predict(row) for row in rows])
    assert predicted == pytest.approx(closed_form(full, targets, alpha, full), abs=0.02)


def test_held_out_predictions_come_from_the_other_folds_alone() -> None:
    rows, full = sparse_rows(150, 40)
    targets = targets_of(full)
    fold = np.arange(150) % 3
    (found,) = cross_validated(kernel(rows, 40), fold, [3.0], targets)
    for number in range(3):
        train, test = fold != number, fold == number
        expected = closed_form(full[train], targets[train], 3.0, full[test])
        assert found[test] == pytest.approx(expected, abs=0.05)


def test_a_constant_target_is_predicted_as_it_is() -> None:
    rows, _ = sparse_rows(50, 40)
    targets = np.full((50, 2), 4.0, dtype=np.float32)
    (dual,) = solve(kernel(rows, 40), [1.0], targets)
    assert primal(rows, 40, dual, targets).predict(rows[0]) == pytest.approx(4.0)
