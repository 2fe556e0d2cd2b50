"""The numbers of a text router as named tensors, and back with every shape checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.errors import WeightsError
from cems_tui.routing.checkpoints import kept_prompts
from cems_tui.routing.checkpoints.card import DAMAGED, Card
from cems_tui.routing.estimators.intervals import Spread
from cems_tui.routing.estimators.letters_router import Familiarity, Neighbourhood, TextRouter
from cems_tui.routing.estimators.neighbours import WordIndex
from cems_tui.routing.estimators.ridge import Ridge
from cems_tui.routing.features.letters import COUNT_NAMES
from cems_tui.routing.features.space import Block, FeatureSpace, Landmarks
from cems_tui.routing.features.text_encoder import Towers

Tensors = dict[str, NDArray[Any]]

_BLOCKS = ("words", "characters", "content", "topics")


def to_tensors(router: TextRouter) -> Tensors:
    """Everything of the router that is not in its card."""
    space = router.space
    tensors: Tensors = {
        "counts.mean": space.counts_mean,
        "counts.scale": space.counts_scale,
        "waves": space.waves,
        "landmarks.centres": space.landmarks.centres.astype(np.float16),
        "landmarks.whitening": space.landmarks.whitening.astype(np.float16),
        "themes": space.themes.astype(np.float16),
        "parts.mean": router.parts_mean,
        "familiarity.centre": router.familiarity.centre,
        "spread.low": router.spread.low,
        "spread.high": router.spread.high,
        "spread.unfamiliar": router.spread.unfamiliar,
    }
    for name in _BLOCKS:
        block: Block = getattr(space, name)
        tensors[f"{name}.keys"] = block.keys
        tensors[f"{name}.rarity"] = block.rarity.astype(np.float16)
    if router.neighbourhood:
        near, index = router.neighbourhood, router.neighbourhood.index
        tensors |= {"parts": near.parts, "near.taken": near.taken, "index.starts": index.starts}
        tensors |= {"index.rows": index.rows, "index.values": index.values}
    if router.ridge:
        tensors["ridge.weights"] = router.ridge.weights.astype(np.float16)
        tensors["ridge.offset"] = router.ridge.offset
    if router.prompts:
        tensors[kept_prompts.NAME] = kept_prompts.written(router.prompts)
    return {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}


def from_tensors(card: Card, tensors: Mapping[str, NDArray[Any]], towers: Towers) -> TextRouter:
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
    space = _space(card, tensors)
    return TextRouter(
        functions=tuple(card.functions),
        metric=card.metric,
        space=space,
        parts_mean=tensors["parts.mean"],
        ridge=_ridge(tensors),
        neighbourhood=_neighbourhood(card, tensors),
        spread=Spread(
            low=tensors["spread.low"],
            high=tensors["spread.high"],
            growth=_number(settings, "interval_growth"),
            novelty_mean=_number(settings, "novelty_mean"),
            unfamiliar=tensors["spread.unfamiliar"],
        ),
        familiarity=_familiarity(settings, tensors),
        prompts=kept_prompts.read(tensors[kept_prompts.NAME])
        if kept_prompts.NAME in tensors
        else (),
    )


def _ridge(tensors: Mapping[str, NDArray[Any]]) -> Ridge | None:
    if "ridge.weights" not in tensors:
        return None
    return Ridge(tensors["ridge.weights"].astype(np.float32), tensors["ridge.offset"])


def _neighbourhood(card: Card, tensors: Mapping[str, NDArray[Any]]) -> Neighbourhood | None:
    if "parts" not in tensors:
        return None
    starts, rows, values = (tensors[f"index.{name}"] for name in ("starts", "rows", "values"))
    parts, count = tensors["parts"], card.settings["neighbours"]
    index = WordIndex(starts, rows, values, len(parts))
    return Neighbourhood(index, parts, None if count is None else int(count), tensors["near.taken"])


def _familiarity(
    settings: Mapping[str, float | int | None], tensors: Mapping[str, NDArray[Any]]
) -> Familiarity:
    return Familiarity(
        tensors["familiarity.centre"],
        _number(settings, "typical_density"),
        _number(settings, "novelty_limit"),
        _number(settings, "trust_power"),
    )


def _space(card: Card, tensors: Mapping[str, NDArray[Any]]) -> FeatureSpace:
    if card.features is None:
        raise ValueError("the card says nothing about features")
    words, characters, content, topics = (_block(card, tensors, name) for name in _BLOCKS)
    return FeatureSpace(
        card.features,
        words,
        characters,
        content,
        tensors["counts.mean"],
        tensors["counts.scale"],
        topics,
        tensors["themes"].astype(np.float32),
        tensors["waves"],
        _landmarks(tensors),
    )


def _block(card: Card, tensors: Mapping[str, NDArray[Any]], name: str) -> Block:
    unseen = _number(card.settings, f"unseen_{name}")
    return Block(tensors[f"{name}.keys"], tensors[f"{name}.rarity"].astype(np.float32), unseen)


def _landmarks(tensors: Mapping[str, NDArray[Any]]) -> Landmarks:
    centres, whitening = (tensors[f"landmarks.{name}"] for name in ("centres", "whitening"))
    return Landmarks(centres.astype(np.float32), whitening.astype(np.float32))


def _number(settings: Mapping[str, float | int | None], name: str) -> float:
    value = settings[name]
    if value is None or not np.isfinite(value):
        raise ValueError(f"{name} is {value}")
    return float(value)


def _check(card: Card, router: TextRouter) -> None:
    """Raises ValueError where a shape or a value cannot be that of the card."""
    width, prompts = len(card.functions), card.training.prompts
    space, near = router.space, router.neighbourhood
    near_to, themes = space.landmarks, space.themes.shape[-1]
    landmarks = len(near_to.centres)
    shapes: dict[str, tuple[NDArray[Any], tuple[int, ...]]] = {
        "parts.mean": (router.parts_mean, (1 + width,)),
        "counts.mean": (space.counts_mean, (len(COUNT_NAMES),)),
        "counts.scale": (space.counts_scale, (len(COUNT_NAMES),)),
        "themes": (space.themes, (space.topics.keys.size, themes)),
        "waves": (space.waves, (len(COUNT_NAMES) + 1, space.config.waves)),
        "landmarks.centres": (near_to.centres, (landmarks, len(COUNT_NAMES) + themes)),
        "landmarks.whitening": (near_to.whitening, (landmarks, landmarks)),
        "familiarity.centre": (router.familiarity.centre, (landmarks,)),
        "spread.low": (router.spread.low, (width,)),
        "spread.high": (router.spread.high, (width,)),
        "spread.unfamiliar": (router.spread.unfamiliar, (width,)),
    }
    for name in _BLOCKS:
        block: Block = getattr(space, name)
        shapes[f"{name}.rarity"] = (block.rarity, block.keys.shape)
    if near:
        shapes["parts"] = (near.parts, (prompts, 1 + width))
        shapes["near.taken"] = (near.taken, (1 + width, 1 + width))
        shapes["index.starts"] = (near.index.starts, (space.content.keys.size + 1,))
        shapes["index.values"] = (near.index.values, near.index.rows.shape)
    if router.ridge:
        shapes["ridge.weights"] = (router.ridge.weights, (space.size, 1 + width))
        shapes["ridge.offset"] = (router.ridge.offset, (1 + width,))
    for name, (tensor, shape) in shapes.items():
        if tensor.shape != shape:
            raise ValueError(f"{name} has the shape {tensor.shape}, not {shape}")
        if not np.isfinite(tensor).all():
            raise ValueError(f"{name} holds values that are not finite")
    if near:
        _check_index(near.index, prompts)
    if card.settings["neighbours"] is not None and not near:
        raise ValueError("parts is missing")
    if card.settings["alpha_level"] is not None and not router.ridge:
        raise ValueError("ridge.weights is missing")
    if router.prompts and len(router.prompts) != prompts:
        raise ValueError(f"prompts holds {len(router.prompts)}, not {prompts}")


def _check_index(index: WordIndex, prompts: int) -> None:
    if index.rows.size and not 0 <= int(index.rows.min()) <= int(index.rows.max()) < prompts:
        raise ValueError("index.rows points outside the training prompts")
    if index.starts[-1] != index.rows.size or (np.diff(index.starts) < 0).any():
        raise ValueError("index.starts does not match index.rows")
