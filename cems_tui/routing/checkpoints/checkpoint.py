"""A router on disk: `<name>.safetensors` with its numbers and `<name>.json`, its card.

The card holds the digest of the numbers, so a damaged or exchanged file is never used.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.domain.decision import QualityEstimate
from cems_tui.domain.encoder import FunctionFacts
from cems_tui.domain.estimate import AnswersAtOnce, PromptEstimate, QualityEstimator
from cems_tui.domain.score import RANGES
from cems_tui.errors import UsageError, WeightsError
from cems_tui.files import SHARED, flush_folder, read_bytes, storage, write_bytes, write_text
from cems_tui.locks import only_writer
from cems_tui.paths import ensure
from cems_tui.routing.checkpoints.card import (
    DAMAGED,
    Card,
    check_compatible,
    choose_router,
    parse_card,
)
from cems_tui.routing.checkpoints.codecs import codec_of
from cems_tui.routing.decide.curve import Curve, curve_of
from cems_tui.routing.decide.dial import Dial
from cems_tui.routing.decide.difference import PairedSpread
from cems_tui.routing.features.text_encoder import NoTowers, Towers

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


_ESTIMATES, _WEIGHTS = "training_estimates", "training_weights"
_MEANING = "written_for"
LARGEST_CARD_BYTES = 32 * 1024 * 1024
LARGEST_WEIGHTS_BYTES = 2 * 1024**3
"""Larger files are not read: no router comes near."""

_STAGED = re.compile(r"(?P<name>.+)\.[0-9a-f]{16}\.safetensors")


@dataclass(frozen=True)
class Checkpoint:
    """A router ready to be asked: a QualityEstimator with its card and its dial."""

    card: Card
    router: QualityEstimator
    training_estimates: NDArray[np.float32]
    """Estimates for its training prompts, made while they were held out, shape (N, M): what the
    dial means. Of a classifier the probabilities. Or a few that stand for them, shape (K, M), with
    their shares."""

    training_weights: NDArray[np.float32] | None = None
    """The share of the training prompts each of those few stands for; None is one each."""

    wording: Callable[[str], str] = str
    """What the router is asked about instead of a prompt: words its functions' models know."""

    @property
    def name(self) -> str:
        return self.card.name

    @property
    def metric(self) -> str:
        return self.card.metric

    @property
    def functions(self) -> tuple[str, ...]:
        return self.router.functions

    @property
    def answers_at_once(self) -> bool:
        """Whether it reads a text encoder, and can answer before that has read."""
        return isinstance(self.router, AnswersAtOnce)

    def estimate(
        self,
        prompt: str,
        *,
        at_once: bool = False,
        sizes: Mapping[str, float] = MappingProxyType({}),
    ) -> PromptEstimate:
        """The quality of every known function for the prompt, in the metric's unit.

        Args:
            at_once: from letters alone, where the router reads a text encoder and can do without.
            sizes: pixels asked for each pixel taught, of the functions where the size is another.
        """
        router, asked = self.router, self.wording(prompt)
        if at_once and isinstance(router, AnswersAtOnce):
            said = router.estimate_at_once(asked)
        else:
            said = router.estimate(asked)
        if self.card.outside is not None:
            said = self.card.outside.applied(asked, said, self.functions)
            said = self.card.outside.at_sizes(said, self.functions, sizes)
        said = self._within_scale(said)
        return said if self.card.scale is None else self.card.scale.applied(said)

    def _within_scale(self, said: PromptEstimate) -> PromptEstimate:
        """The estimates inside the metric's scale, where it has ends."""
        ends = RANGES.get(self.metric)
        if ends is None:
            return said
        least, most = (-ends[1], -ends[0]) if self.card.negated else ends
        return replace(
            said,
            estimates={
                name: _inside(one, least, most).within(least, most) if one.interval else one
                for name, one in said.estimates.items()
            },
        )

    def lambda_at(self, dial: float, prices: Mapping[str, float | None]) -> float:
        """λ in quality units per US dollar for a dial of 0 (cheapest) … 1 (best quality).

        Args:
            prices: US dollars a picture of the functions that may be chosen.
        """
        return self._dial.lambda_at(dial, prices)

    def balanced_dial(self, prices: Mapping[str, float | None]) -> float:
        """Where the default stands on the dial: the knee of held-out prompts, as the card says it;
        of a card that does not, the knee of what it expects for its training prompts.

        Args:
            prices: as for `lambda_at`.
        """
        told = self.card.balanced
        return self._dial.knee(prices) if told is None else told.dial

    @cached_property
    def paired(self) -> PairedSpread | None:
        """How sure its differences are, in the unit of its estimates; None where unknown."""
        told, scale = self.card.differences, self.card.scale
        if told is None or scale is None:
            return told
        return told.scaled(scale.slope * max(1.0, scale.widen))

    @cached_property
    def curve(self) -> Curve | None:
        """What the dial means on held-out prompts; None where the card has no curve."""
        return curve_of(self.card.evaluation)

    @cached_property
    def _dial(self) -> Dial:
        estimates, shares = self.training_estimates, self.training_weights
        scale = self.card.scale
        return Dial(self.functions, estimates if scale is None else scale.of(estimates), shares)


def _inside(one: QualityEstimate, least: float, most: float) -> QualityEstimate:
    """The estimate with its quality on the scale."""
    if one.quality is None:
        return one
    return replace(one, quality=max(least, min(most, one.quality)))


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> Path:
    """Writes the weights, then the card that names their digest; returns the card's path.

    Raises:
        StorageError: the folder cannot be written.
        UsageError: the name is not a plain one.
    """
    from safetensors.numpy import save

    name = plain_name(checkpoint.name)
    tensors = codec_of(checkpoint.card).to_tensors(checkpoint.router)
    data = save({**tensors, **_dial_tensors(checkpoint)}, metadata=_bound(checkpoint.card))
    row = checkpoint.card.to_json(_digest(data))
    put_files(folder, name, json.dumps(row, ensure_ascii=False, indent=1) + "\n", data)
    return folder / f"{name}.json"


def put_files(folder: Path, name: str, card: str, weights: bytes) -> None:
    """Put a router's two files in place of those of its name: both, or neither.

    The weights come under a name of their content. The older router is whole until the card that
    names their digest is renamed, the new one from then on; they take the router's own name last.

    Args:
        card: names the digest of these weights.

    Raises:
        StorageError: the folder cannot be written.
    """
    with only_writer(ensure(folder)):
        staged = _staged(folder, name, _digest(weights))
        write_bytes(staged, weights, mode=SHARED)
        write_text(folder / f"{name}.json", card, mode=SHARED)
        with storage(f"router {name} to {folder}"):
            staged.replace(folder / f"{name}.safetensors")
            for stray in strays(folder, name):
                stray.unlink(missing_ok=True)
            flush_folder(folder)


def read_files(folder: Path, name: str) -> tuple[Card, str, bytes]:
    """A router's card, parsed and as it is written, and the weights that it names.

    Raises:
        WeightsError: a file is missing, damaged, or not the other's.
    """
    path, failure = folder / f"{plain_name(name)}.json", WeightsError(f"router {name} is damaged")
    for _ in range(2):  # the other router of the name may have been put there in between
        text, card, expected = _read_card(path)
        try:
            return card, text, _weights(folder, name, expected)
        except WeightsError as error:
            failure = error
    raise failure


def strays(folder: Path, name: str | None = None) -> list[Path]:
    """Weights that were to be put in place when their writer was killed.

    Args:
        name: of one router; None is of any.
    """
    found = []
    for path in sorted(folder.glob("*.safetensors")) if folder.is_dir() else ():
        match = _STAGED.fullmatch(path.name)
        if match is not None and name in (None, match["name"]) and not _is_own_name(path):
            found.append(path)
    return found


def _is_own_name(path: Path) -> bool:
    """Whether weights of that name are those of a router, by its whole name."""
    return path.with_suffix(".json").is_file()


def load_checkpoint(folder: Path, name: str, towers: Towers | None = None) -> Checkpoint:
    """The router of that name in the folder.

    Args:
        towers: where to find the text tower that a router reads; None where there is none.

    Raises:
        WeightsError: a file is missing, damaged, not what the card expects, or from a newer
            program; or the router's text tower is not at hand or is another one.
        UsageError: the name is not a plain one.
    """
    card, _, data = read_files(folder, name)
    tensors = _tensors(data, f"{name}.safetensors")
    estimates, shares = _training_estimates(card, tensors)
    try:
        router = codec_of(card).from_tensors(card, tensors, towers or NoTowers())
    except RecursionError as error:  # a text in a tensor that nests without end
        raise WeightsError(f"the weights of router {name} are nested too deep", DAMAGED) from error
    _check_bound(card, data)
    return Checkpoint(card, router, estimates, shares)


def load_card(folder: Path, name: str) -> Card:
    """The card alone, without reading the weights.

    Raises:
        WeightsError: it is missing or not a card.
    """
    return _read_card(folder / f"{plain_name(name)}.json")[1]


def list_checkpoints(folders: Iterable[Path]) -> list[tuple[Path, Card]]:
    """The readable routers of the folders, by name; of equal names the first folder's.

    Other JSON files, and cards without weights, are not routers and are left out.
    """
    found: dict[str, tuple[Path, Card]] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.json")):
            if path.stem in found:
                continue
            try:
                _, card, digest = _read_card(path)
            except WeightsError:
                continue  # `cems router show NAME` loads it and says what is wrong
            if any(place.is_file() for place in _places(folder, path.stem, digest)):
                found[path.stem] = (folder, card)
    return [found[name] for name in sorted(found)]


def plain_name(name: str) -> str:
    """The name, if it can be that of a router and its files.

    Raises:
        UsageError: it cannot.
    """
    if not re.fullmatch(r"\w[\w.+-]*", name):
        raise UsageError(
            f"{name!r} cannot be the name of a router", "Use letters, digits, - . + and _."
        )
    return name


def _read_card(path: Path) -> tuple[str, Card, str]:
    """The text of a card, the card, and the digest that it names."""
    try:
        text = read_bytes(path, LARGEST_CARD_BYTES).decode("utf-8-sig")
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
    return text, card, digest


def _weights(folder: Path, name: str, digest: str) -> bytes:
    """The weights of that digest.

    Raises:
        WeightsError: they are not there, or are others.
    """
    why = f"{name}.safetensors is not the file its card was written for"
    for path in _places(folder, name, digest):
        try:
            data = read_bytes(path, LARGEST_WEIGHTS_BYTES)
        except OSError as error:
            why = (
                f"the weights of router {name} cannot be read: {path.name}: "
                f"{error.strerror or error}"
            )
            continue
        if _digest(data) == digest:
            return data
        why = f"{path.name} is not the file its card was written for"
    raise WeightsError(why, DAMAGED)


def _places(folder: Path, name: str, digest: str) -> tuple[Path, Path]:
    """Where the weights of a router can be: on their way, and in their place."""
    return _staged(folder, name, digest), folder / f"{name}.safetensors"


def _staged(folder: Path, name: str, digest: str) -> Path:
    return folder / f"{name}.{digest.removeprefix('sha256:')[:16]}.safetensors"


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _bound(card: Card) -> dict[str, str]:
    """What of the card gives the numbers their meaning, to be written beside them."""
    said = {"kind": card.kind, "metric": card.metric, "functions": list(card.functions)}
    return {_MEANING: json.dumps({**said, "negated": card.negated}, ensure_ascii=False)}


def _check_bound(card: Card, data: bytes) -> None:
    """Raises WeightsError where the weights were written for other functions than the card has.

    Weights that do not say what they were written for are taken as the card tells them.
    """
    size = int.from_bytes(data[:8], "little")
    written = json.loads(data[8 : 8 + size]).get("__metadata__") or {}
    if _MEANING in written and written[_MEANING] != _bound(card)[_MEANING]:
        raise WeightsError(
            f"the card of router {card.name} names other functions, or another kind or metric, "
            "than its weights were written for",
            DAMAGED,
        )


def _dial_tensors(checkpoint: Checkpoint) -> dict[str, NDArray[np.float32]]:
    """What the dial needs of the training prompts."""
    kept = {_ESTIMATES: np.ascontiguousarray(checkpoint.training_estimates)}
    shares = checkpoint.training_weights
    return kept if shares is None else {**kept, _WEIGHTS: shares}


def _training_estimates(
    card: Card, tensors: dict[str, NDArray[Any]]
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    estimates, shares = tensors.pop(_ESTIMATES, None), tensors.pop(_WEIGHTS, None)
    count = card.training.prompts if shares is None else shares.size
    shape = (count, len(card.functions))
    sound = estimates is not None and estimates.shape == shape and np.isfinite(estimates).all()
    if shares is not None:
        sound = sound and bool((shares >= 0).all()) and abs(float(shares.sum()) - 1.0) < 1e-3
    if estimates is None or not sound:
        raise WeightsError(
            f"the weights of router {card.name} are not those of its card: {_ESTIMATES} should "
            f"be finite numbers of the shape {shape}",
            DAMAGED,
        )
    return np.asarray(estimates, dtype=np.float32), shares


def _tensors(data: bytes, where: str) -> dict[str, NDArray[Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return dict(load(data))
    except (SafetensorError, ValueError, TypeError, KeyError) as error:
        raise WeightsError(f"{where} is not a safetensors file: {error}", DAMAGED) from error
