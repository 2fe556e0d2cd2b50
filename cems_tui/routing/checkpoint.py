"""A router on disk: `<name>.safetensors` with its numbers and `<name>.json`, its card.

The card holds the digest of the numbers, so a damaged or exchanged file is never used.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.errors import StorageError, UsageError, WeightsError
from cems_tui.routing.calibrate import Dial
from cems_tui.routing.card import (
    DAMAGED,
    Card,
    FunctionFacts,
    check_compatible,
    choose_router,
    parse_card,
)
from cems_tui.routing.estimator import PromptEstimate, QualityEstimator
from cems_tui.routing.kinds import codec_of
from cems_tui.routing.towers import NoTowers, Towers

__all__ = [
    "Card",
    "Checkpoint",
    "FunctionFacts",
    "check_compatible",
    "choose_router",
    "list_checkpoints",
    "load_card",
    "load_checkpoint",
    "save_checkpoint",
]


_ESTIMATES = "training_estimates"


@dataclass(frozen=True)
class Checkpoint:
    """A router ready to be asked: a QualityEstimator with its card and its dial."""

    card: Card
    router: QualityEstimator
    training_estimates: NDArray[np.float32]
    """The router's estimates for its training prompts, shape (N, M): what the dial means. Of a
    classifier the probabilities."""

    @property
    def name(self) -> str:
        return self.card.name

    @property
    def metric(self) -> str:
        return self.card.metric

    @property
    def functions(self) -> tuple[str, ...]:
        return self.router.functions

    def estimate(self, prompt: str) -> PromptEstimate:
        """The quality of every known function for the prompt, in the metric's unit."""
        return self.router.estimate(prompt)

    def lambda_at(self, dial: float, prices: Mapping[str, float | None]) -> float:
        """λ in quality units per US dollar for a dial of 0 (cheapest) … 1 (best quality).

        Args:
            prices: US dollars a picture of the functions that may be chosen.
        """
        return self._dial.lambda_at(dial, prices)

    @cached_property
    def _dial(self) -> Dial:
        return Dial(self.functions, self.training_estimates)


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> Path:
    """Writes the weights, then the card that names their digest; returns the card's path.

    Raises:
        StorageError: the folder cannot be written.
        UsageError: the name is not a plain one.
    """
    from safetensors.numpy import save

    name = _plain(checkpoint.name)
    tensors = codec_of(checkpoint.card).to_tensors(checkpoint.router)
    data = save({**tensors, _ESTIMATES: np.ascontiguousarray(checkpoint.training_estimates)})
    row = checkpoint.card.to_json(f"sha256:{hashlib.sha256(data).hexdigest()}")
    text = json.dumps(row, ensure_ascii=False, indent=1) + "\n"
    card = folder / f"{name}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_whole(folder / f"{name}.safetensors", data)
        _write_whole(card, text.encode("utf-8"))
    except OSError as error:
        raise StorageError(
            f"cannot write router {name} to {folder}: {error.strerror or error}"
        ) from error
    return card


def load_checkpoint(folder: Path, name: str, towers: Towers | None = None) -> Checkpoint:
    """The router of that name in the folder.

    Args:
        towers: where to find the text tower that a router reads; None where there is none.

    Raises:
        WeightsError: a file is missing, damaged, not what the card expects, or from a newer
            program; or the router's text tower is not at hand or is another one.
        UsageError: the name is not a plain one.
    """
    card, expected = _read_card(folder / f"{_plain(name)}.json")
    weights = folder / f"{name}.safetensors"
    try:
        data = weights.read_bytes()
    except OSError as error:
        raise WeightsError(
            f"the weights of router {name} cannot be read: {weights.name}: "
            f"{error.strerror or error}",
            DAMAGED,
        ) from error
    if f"sha256:{hashlib.sha256(data).hexdigest()}" != expected:
        raise WeightsError(f"{weights.name} is not the file its card was written for", DAMAGED)
    tensors = _tensors(data, weights.name)
    estimates = _training_estimates(card, tensors.pop(_ESTIMATES, None))
    router = codec_of(card).from_tensors(card, tensors, towers or NoTowers())
    return Checkpoint(card, router, estimates)


def load_card(folder: Path, name: str) -> Card:
    """The card alone, without reading the weights.

    Raises:
        WeightsError: it is missing or not a card.
    """
    return _read_card(folder / f"{_plain(name)}.json")[0]


def list_checkpoints(folders: Iterable[Path]) -> list[tuple[Path, Card]]:
    """The readable routers of the folders, by name; of equal names the first folder's.

    Other JSON files, and cards without weights, are not routers and are left out.
    """
    found: dict[str, tuple[Path, Card]] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.json")):
            if path.stem in found or not path.with_suffix(".safetensors").is_file():
                continue
            try:
                found[path.stem] = (folder, _read_card(path)[0])
            except WeightsError:
                continue  # `cems router show NAME` loads it and says what is wrong
    return [found[name] for name in sorted(found)]


def _plain(name: str) -> str:
    if not re.fullmatch(r"\w[\w.+-]*", name):
        raise UsageError(
            f"{name!r} cannot be the name of a router", "Use letters, digits, - . + and _."
        )
    return name


def _read_card(path: Path) -> tuple[Card, str]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise WeightsError(
            f"there is no router {path.stem} in {path.parent}", "`cems router ls` shows them."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(f"{path.name} cannot be read: {error}", DAMAGED) from error
    card, digest = parse_card(text, path.name)
    if card.name != path.stem:
        raise WeightsError(f"{path.name} is the card of another router, {card.name}", DAMAGED)
    codec_of(card)  # a kind of a newer program is not offered to anyone
    return card, digest


def _training_estimates(card: Card, estimates: NDArray[Any] | None) -> NDArray[np.float32]:
    shape = (card.training.prompts, len(card.functions))
    if estimates is None or estimates.shape != shape or not np.isfinite(estimates).all():
        raise WeightsError(
            f"the weights of router {card.name} are not those of its card: {_ESTIMATES} should "
            f"be finite numbers of the shape {shape}",
            DAMAGED,
        )
    return np.asarray(estimates, dtype=np.float32)


def _tensors(data: bytes, where: str) -> dict[str, NDArray[Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return dict(load(data))
    except (SafetensorError, ValueError, TypeError, KeyError) as error:
        raise WeightsError(f"{where} is not a safetensors file: {error}", DAMAGED) from error


def _write_whole(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.part")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
