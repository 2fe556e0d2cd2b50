"""The numbers of a refined router: those of its base, and beside them what was refined."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.domain.estimate import QualityEstimator
from cems_tui.errors import WeightsError
from cems_tui.routing.checkpoints import letters_codec
from cems_tui.routing.checkpoints.card import DAMAGED, Card
from cems_tui.routing.estimators.refined_router import RefinedRouter, refined
from cems_tui.routing.features.text_encoder import Towers

Tensors = Mapping[str, NDArray[Any]]
Reader = Callable[[Card, Tensors, Towers], QualityEstimator]
Writer = Callable[[Any], dict[str, NDArray[Any]]]

_PREFIX = "refined."


def to_tensors(router: RefinedRouter, write_base: Writer) -> dict[str, NDArray[Any]]:
    """Everything of the router that is not in its card; `write_base` writes its base's."""
    own = {**letters_codec.to_tensors(router.rest), "middle": router.middle, "turn": router.turn}
    return {
        **write_base(router.base),
        **{_PREFIX + name: np.ascontiguousarray(value) for name, value in own.items()},
    }


def from_tensors(
    card: Card, tensors: Tensors, towers: Towers, read_base: Reader
) -> QualityEstimator:
    """The router of a card and its tensors; `read_base` reads its base's.

    Raises:
        WeightsError: a tensor is missing, has another shape than the card says, or is not finite.
    """
    told = card.refined
    if told is None:
        raise WeightsError(f"router {card.name} refines nothing", DAMAGED)
    own = {
        name.removeprefix(_PREFIX): value
        for name, value in tensors.items()
        if name.startswith(_PREFIX)
    }
    others = {name: value for name, value in tensors.items() if not name.startswith(_PREFIX)}
    before = replace(card, training=told.base_training, refined=None)
    words = replace(
        card, encoder=None, features=told.features, settings=told.settings, refined=None
    )
    base = read_base(before, others, towers)
    rest = letters_codec.from_tensors(words, own, towers)
    width = len(card.functions)
    for name, shape in (("middle", (width,)), ("turn", (width, width))):
        if name not in own or own[name].shape != shape or not np.isfinite(own[name]).all():
            raise WeightsError(
                f"the weights of router {card.name} are not those of its card: {_PREFIX}{name}",
                DAMAGED,
            )
    return refined(base, own["middle"], own["turn"], rest)
