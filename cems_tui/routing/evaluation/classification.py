"""How good a classifier of the best function is: the figures the CEMS authors report."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Labels = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Classification:
    """Of predicted labels and probabilities; macro means are over the labels that occur."""

    accuracy: float
    macro_precision: float
    macro_recall: float
    macro_f1: float
    one_vs_rest_auc: float | None
    """Mean over the labels that some prompts have and some have not; None without any."""

    def to_json(self) -> dict[str, float | None]:
        return asdict(self)


def classification(truth: Labels, probability: Matrix) -> Classification:
    """The figures of probabilities (N, M) against labels (N,)."""
    predicted = np.argmax(probability, axis=1)
    rows = []
    for label in np.union1d(truth, predicted):
        right = float(((predicted == label) & (truth == label)).sum())
        said, there = float((predicted == label).sum()), float((truth == label).sum())
        precision, recall = right / said if said else 0.0, right / there if there else 0.0
        f1 = 2 * precision * recall / (precision + recall) if right else 0.0
        rows.append((precision, recall, f1))
    means = np.array(rows).mean(axis=0)
    areas = [_auc(truth == m, probability[:, m]) for m in range(probability.shape[1])]
    known = [area for area in areas if area is not None]
    return Classification(
        accuracy=float((predicted == truth).mean()),
        macro_precision=float(means[0]),
        macro_recall=float(means[1]),
        macro_f1=float(means[2]),
        one_vs_rest_auc=float(np.mean(known)) if known else None,
    )


def _auc(positive: NDArray[np.bool_], score: Matrix) -> float | None:
    """The chance that a positive outranks a negative, ties half (Mann & Whitney)."""
    there = int(positive.sum())
    if there in (0, len(positive)):
        return None
    values, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    del values
    middle = np.cumsum(counts) - (counts - 1) / 2.0  # mean rank of each distinct value
    above = float(middle[place][positive].sum()) - there * (there + 1) / 2.0
    return above / (there * (len(positive) - there))
