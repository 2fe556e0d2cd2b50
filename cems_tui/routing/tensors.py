"""The numbers of a text router as named tensors, and back with every shape checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.errors import WeightsError
from cems_tui.routing.card import DAMAGED, Card
from cems_tui.routing.estimators.neighbours import WordIndex
from cems_tui.routing.estimators.ridge import Ridge
from cems_tui.routing.estimators.text_router import Blend, TextRouter, Weights
from cems_tui.routing.feature_space import Block, FeatureSpace
from cems_tui.routing.features import COUNT_NAMES
from cems_tui.routing.intervals import Spread
from cems_tui.routing.towers import Towers

Tensors = dict[str, NDArray[Any]]

_BLOCKS = ("words", "characters", "content")


def to_tensors(router: TextRouter) -> Tensors:
    """Everything of the router that is not in its card."""
    space = router.space
    tensors: Tensors = {
        "counts.mean": space.counts_mean,
        "counts.scale": space.counts_scale,
        "waves": space.waves,
        "parts.mean": router.parts_mean,
        "parts": router.parts,
        "index.starts": router.index.starts,
        "index.rows": router.index.rows,
        "index.values": router.index.values,
        "spread.low": router.spread.low,
        "spread.high": router.spread.high,
        "spread.unfamiliar": router.spread.unfamiliar,
    }
    for name in _BLOCKS:
        block: Block = getattr(space, name)
        tensors[f"{name}.keys"] = block.keys
        tensors[f"{name}.rarity"] = block.rarity
    if router.ridge:
        tensors["ridge.weights"] = router.ridge.weights.astype(np.float16)
        tensors["ridge.offset"] = router.ridge.offset
    if router.prompts:
        text = json.dumps(router.prompts).encode("ascii")
        tensors["prompts"] = np.frombuffer(text, dtype=np.uint8)
    return {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}


def settings_of(router: TextRouter) -> dict[str, float | int | None]:
    """The single numbers of a router: they stand in its card."""
    return {
        "alpha_level": router.blend.alpha_level,
        "alpha_deviation": router.blend.alpha_deviation,
        "neighbours": router.blend.neighbours,
        "ridge_level": router.blend.ridge.level,
        "ridge_deviation": router.blend.ridge.deviation,
        "neighbours_level": router.blend.near.level,
        "neighbours_deviation": router.blend.near.deviation,
        "novelty_limit": router.novelty_limit,
        "novelty_mean": router.spread.novelty_mean,
        "interval_growth": router.spread.growth,
        "unseen_words": router.space.words.unseen,
        "unseen_characters": router.space.characters.unseen,
        "unseen_content": router.space.content.unseen,
    }


def from_tensors(
    card: Card, tensors: Mapping[str, NDArray[Any]], towers: Towers | None = None
) -> TextRouter:
    """The router of a card and its tensors; it reads no text tower.

    Raises:
        WeightsError: a tensor is missing, has another shape than the card says, or is not finite.
    """
    try:
        router = _router(card, tensors)
        _check(card, router)
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(
            f"the weights of router {card.name} are not those of its card: {error}", DAMAGED
        ) from error
    return router


def _router(card: Card, tensors: Mapping[str, NDArray[Any]]) -> TextRouter:
    settings = card.settings
    ridge = None
    if settings["alpha_level"] is not None:
        ridge = Ridge(tensors["ridge.weights"].astype(np.float32), tensors["ridge.offset"])
    starts, rows, values = (tensors[f"index.{name}"] for name in ("starts", "rows", "values"))
    return TextRouter(
        functions=tuple(card.functions),
        metric=card.metric,
        space=_space(card, tensors),
        blend=_blend(settings),
        parts_mean=tensors["parts.mean"],
        ridge=ridge,
        index=WordIndex(starts, rows, values, len(tensors["parts"])),
        parts=tensors["parts"],
        spread=Spread(
            low=tensors["spread.low"],
            high=tensors["spread.high"],
            growth=_number(settings, "interval_growth"),
            novelty_mean=_number(settings, "novelty_mean"),
            unfamiliar=tensors["spread.unfamiliar"],
        ),
        novelty_limit=_number(settings, "novelty_limit"),
        prompts=tuple(json.loads(tensors["prompts"].tobytes())) if "prompts" in tensors else (),
    )


def _space(card: Card, tensors: Mapping[str, NDArray[Any]]) -> FeatureSpace:
    if card.features is None:
        raise ValueError("the card says nothing about features")
    words, characters, content = (
        Block(
            tensors[f"{name}.keys"],
            tensors[f"{name}.rarity"],
            _number(card.settings, f"unseen_{name}"),
        )
        for name in _BLOCKS
    )
    return FeatureSpace(
        card.features,
        words,
        characters,
        content,
        tensors["counts.mean"],
        tensors["counts.scale"],
        tensors["waves"],
    )


def _blend(settings: Mapping[str, float | int | None]) -> Blend:
    count = settings["neighbours"]
    return Blend(
        alpha_level=settings["alpha_level"],
        alpha_deviation=settings["alpha_deviation"],
        neighbours=None if count is None else int(count),
        ridge=Weights(_number(settings, "ridge_level"), _number(settings, "ridge_deviation")),
        near=Weights(
            _number(settings, "neighbours_level"), _number(settings, "neighbours_deviation")
        ),
    )


def _number(settings: Mapping[str, float | int | None], name: str) -> float:
    value = settings[name]
    if value is None or not np.isfinite(value):
        raise ValueError(f"{name} is {value}")
    return float(value)


def _check(card: Card, router: TextRouter) -> None:
    """Raises ValueError where a shape or a value cannot be that of the card."""
    width, prompts = len(card.functions), card.training.prompts
    space, index = router.space, router.index
    words = space.content.keys.size
    shapes: dict[str, tuple[NDArray[Any], tuple[int, ...]]] = {
        "parts.mean": (router.parts_mean, (1 + width,)),
        "parts": (router.parts, (prompts, 1 + width)),
        "counts.mean": (space.counts_mean, (len(COUNT_NAMES),)),
        "counts.scale": (space.counts_scale, (len(COUNT_NAMES),)),
        "waves": (space.waves, (len(COUNT_NAMES) + 1, space.config.waves)),
        "spread.low": (router.spread.low, (width,)),
        "spread.high": (router.spread.high, (width,)),
        "spread.unfamiliar": (router.spread.unfamiliar, (width,)),
        "index.starts": (index.starts, (words + 1,)),
        "index.values": (index.values, index.rows.shape),
    }
    for name in _BLOCKS:
        block: Block = getattr(space, name)
        shapes[f"{name}.rarity"] = (block.rarity, block.keys.shape)
    if router.ridge:
        shapes["ridge.weights"] = (router.ridge.weights, (space.size, 1 + width))
        shapes["ridge.offset"] = (router.ridge.offset, (1 + width,))
    for name, (tensor, shape) in shapes.items():
        if tensor.shape != shape:
            raise ValueError(f"{name} has the shape {tensor.shape}, not {shape}")
        if not np.isfinite(tensor).all():
            raise ValueError(f"{name} holds values that are not finite")
    if index.rows.size and not 0 <= int(index.rows.min()) <= int(index.rows.max()) < prompts:
        raise ValueError("index.rows points outside the training prompts")
    if index.starts[-1] != index.rows.size or (np.diff(index.starts) < 0).any():
        raise ValueError("index.starts does not match index.rows")
    if router.prompts and len(router.prompts) != prompts:
        raise ValueError(f"prompts holds {len(router.prompts)}, not {prompts}")
