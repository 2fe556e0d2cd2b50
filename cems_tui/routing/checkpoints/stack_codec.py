"""The numbers of a stack as named tensors, and back with every shape checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.errors import WeightsError
from cems_tui.routing.checkpoints import kept_prompts
from cems_tui.routing.checkpoints.card import DAMAGED, Card
from cems_tui.routing.estimators.intervals import Spread
from cems_tui.routing.estimators.letters_router import Weights
from cems_tui.routing.estimators.members import (
    Clusters,
    DenseNeighbours,
    DenseRidge,
    LettersRidge,
    Member,
    expect,
)
from cems_tui.routing.estimators.stack_router import Part, StackRouter
from cems_tui.routing.estimators.transformer import TokenTransformer
from cems_tui.routing.features.letters import COUNT_NAMES
from cems_tui.routing.features.reader import Familiarity, PromptReader
from cems_tui.routing.features.space import Block
from cems_tui.routing.features.text_encoder import TextEncoder, Towers

Tensors = Mapping[str, NDArray[Any]]

_MEMBERS: Mapping[str, Callable[[Tensors, int], Member]] = {
    "ridge": DenseRidge.of,
    "letters": LettersRidge.of,
    "knn": DenseNeighbours.of,
    "clusters": Clusters.of,
    "transformer": TokenTransformer.of,
}


def settings_of(router: StackRouter) -> dict[str, float | int | None]:
    """The single numbers of a stack: they stand in its card."""
    settings: dict[str, float | int | None] = {
        "novelty_limit": router.familiarity.limit,
        "novelty_mean": router.spread.novelty_mean,
        "interval_growth": router.spread.growth,
        "unseen_content": router.reader.content.unseen,
    }
    for part in router.members:
        settings[f"{part.name}_level"] = part.weights.level
        settings[f"{part.name}_deviation"] = part.weights.deviation
    return settings


def to_tensors(router: StackRouter) -> dict[str, NDArray[Any]]:
    """Everything of the stack that is not in its card."""
    tensors: dict[str, NDArray[Any]] = {
        **reader_tensors(router.reader, router.familiarity),
        "parts.mean": router.parts_mean,
        "spread.low": router.spread.low,
        "spread.high": router.spread.high,
        "spread.unfamiliar": router.spread.unfamiliar,
    }
    for part in router.members:
        for name, tensor in part.member.tensors().items():
            tensors[f"{part.name}.{name}"] = tensor
    if router.prompts:
        tensors[kept_prompts.NAME] = kept_prompts.written(router.prompts)
    return {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}


def from_tensors(card: Card, tensors: Tensors, towers: Towers) -> StackRouter:
    """The stack of a card and its tensors.

    Raises:
        WeightsError: a tensor is missing, has another shape than the card says, or is not finite;
            or the text tower is not at hand.
    """
    tower = towers.find(card.encoder) if card.encoder else None
    try:
        return _router(card, tensors, tower)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise WeightsError(
            f"the weights of router {card.name} are not those of its card: {error}", DAMAGED
        ) from error


def reader_tensors(reader: PromptReader, familiarity: Familiarity) -> dict[str, NDArray[Any]]:
    """What reading prompts needs beside the text tower."""
    return {
        "counts.mean": reader.counts_mean,
        "counts.scale": reader.counts_scale,
        "reader.mean": reader.mean,
        "reader.scale": reader.scale,
        "content.keys": reader.content.keys,
        "content.rarity": reader.content.rarity,
        "centres": familiarity.centres,
    }


def read_reader(
    card: Card, tensors: Tensors, tower: TextEncoder | None
) -> tuple[PromptReader, Familiarity]:
    """What `reader_tensors` wrote; raises KeyError, TypeError or ValueError otherwise."""
    if card.features is None:
        raise ValueError("the card says nothing about features")
    mean, keys = tensors["reader.mean"], tensors["content.keys"]
    expect("reader.scale", tensors["reader.scale"], mean.shape)
    expect("content.rarity", tensors["content.rarity"], keys.shape)
    expect("centres", tensors["centres"], (len(tensors["centres"]), tensors["centres"].shape[1]))
    expect("reader.mean", mean, (tower.width if tower else 0,))
    for name in ("counts.mean", "counts.scale"):
        expect(name, tensors[name], (len(COUNT_NAMES) - 1,))
    content = Block(keys, tensors["content.rarity"], number(card, "unseen_content"))
    reader = PromptReader(
        card.features,
        tower,
        tensors["counts.mean"],
        tensors["counts.scale"],
        mean,
        tensors["reader.scale"],
        content,
    )
    return reader, Familiarity(tensors["centres"], number(card, "novelty_limit"))


def number(card: Card, name: str) -> float:
    """A finite number of the card's settings; raises KeyError or ValueError otherwise."""
    value = card.settings[name]
    if value is None or not np.isfinite(value):
        raise ValueError(f"{name} is {value}")
    return float(value)


def _router(card: Card, tensors: Tensors, tower: TextEncoder | None) -> StackRouter:
    width = len(card.functions)
    reader, familiarity = read_reader(card, tensors, tower)
    expect("parts.mean", tensors["parts.mean"], (1 + width,))
    for name in ("low", "high", "unfamiliar"):
        expect(f"spread.{name}", tensors[f"spread.{name}"], (width,))
    kept = tensors.get(kept_prompts.NAME)
    prompts = () if kept is None else kept_prompts.read(kept)
    if prompts and len(prompts) != card.training.prompts:
        raise ValueError(f"prompts holds {len(prompts)}, not {card.training.prompts}")
    return StackRouter(
        functions=tuple(card.functions),
        metric=card.metric,
        reader=reader,
        familiarity=familiarity,
        parts_mean=tensors["parts.mean"],
        members=_members(card, tensors),
        spread=Spread(
            low=tensors["spread.low"],
            high=tensors["spread.high"],
            growth=number(card, "interval_growth"),
            novelty_mean=number(card, "novelty_mean"),
            unfamiliar=tensors["spread.unfamiliar"],
        ),
        prompts=prompts,
    )


def _members(card: Card, tensors: Tensors) -> tuple[Part, ...]:
    parts = []
    for name, make in _MEMBERS.items():
        if f"{name}_deviation" not in card.settings:
            continue
        own = {
            key.removeprefix(f"{name}."): value
            for key, value in tensors.items()
            if key.startswith(f"{name}.")
        }
        weights = Weights(number(card, f"{name}_level"), number(card, f"{name}_deviation"))
        parts.append(Part(name, make(own, len(card.functions)), weights))
    if not parts:
        raise ValueError("it has no member")
    return tuple(parts)
