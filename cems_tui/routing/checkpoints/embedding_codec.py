"""The numbers of a router that reads a text encoder: an instant router's, and what is beside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.errors import WeightsError
from cems_tui.routing.checkpoints import letters_codec
from cems_tui.routing.checkpoints.card import DAMAGED, Card
from cems_tui.routing.checkpoints.stack_codec import number
from cems_tui.routing.estimators.embedding_router import EmbeddingRouter
from cems_tui.routing.estimators.intervals import Spread
from cems_tui.routing.estimators.members import expect
from cems_tui.routing.estimators.ridge import Ridge
from cems_tui.routing.features.embedding_space import Centres, EmbeddingSpace
from cems_tui.routing.features.letters import COUNT_NAMES
from cems_tui.routing.features.text_encoder import TextEncoder, Towers

Tensors = Mapping[str, NDArray[Any]]

SETTINGS = "encoded_"
"""What stands before the settings that are not the instant router's."""

_OWN = "encoded."


def wrote(card: Card) -> bool:
    """Whether a card is of a router whose numbers are written here."""
    return f"{SETTINGS}centres" in card.settings


def settings_of(router: EmbeddingRouter) -> dict[str, float | int | None]:
    """The single numbers that are not the instant router's: they stand in the card."""
    near = router.neighbourhood
    return {
        f"{SETTINGS}neighbours": None if near is None else near.count,
        f"{SETTINGS}novelty_mean": router.spread.novelty_mean,
        f"{SETTINGS}interval_growth": router.spread.growth,
        f"{SETTINGS}centres": len(router.centres.places),
        f"{SETTINGS}trust_power": router.trust_power,
    }


def to_tensors(router: EmbeddingRouter) -> dict[str, NDArray[Any]]:
    """Everything of the router that is in neither its card nor its encoder."""
    own: dict[str, NDArray[Any]] = {
        "mean": router.space.mean.astype(np.float16),
        "scale": router.space.scale.astype(np.float16),
        "axes": router.space.axes.astype(np.float16),
        "counts.mean": router.space.counts_mean,
        "counts.scale": router.space.counts_scale,
        "centres": router.centres.places,
        "centres.steps": router.centres.steps,
        "kernel": router.kernel,
        "spread.low": router.spread.low,
        "spread.high": router.spread.high,
    }
    if router.ridge is not None:
        own["ridge.weights"] = router.ridge.weights.astype(np.float16)
        own["ridge.offset"] = router.ridge.offset
    if router.neighbourhood is not None:
        own["near.taken"] = router.neighbourhood.taken
    named = {f"{_OWN}{name}": np.ascontiguousarray(value) for name, value in own.items()}
    return {**letters_codec.to_tensors(router.instant), **named}


def from_tensors(card: Card, tensors: Tensors, towers: Towers) -> EmbeddingRouter:
    """The router of a card and its tensors.

    Raises:
        WeightsError: a tensor is missing, has another shape than the card says, or is not finite;
            or the text encoder is not at hand.
    """
    instant = letters_codec.from_tensors(card, tensors, towers)
    try:
        if card.encoder is None:
            raise ValueError("the card names no text encoder")
        own = {
            name.removeprefix(_OWN): value
            for name, value in tensors.items()
            if name.startswith(_OWN)
        }
        encoder = towers.find(card.encoder)
        _check(card, own, encoder)
        return EmbeddingRouter(
            instant=instant,
            encoder=encoder,
            space=_space(own),
            centres=Centres(own["centres"], own["centres.steps"]),
            ridge=_ridge(own, instant.space.size, len(card.functions)),
            kernel=own["kernel"],
            neighbourhood=None
            if instant.neighbourhood is None
            else replace(
                instant.neighbourhood,
                count=_count(card),
                taken=own["near.taken"],
            ),
            spread=Spread(
                low=own["spread.low"],
                high=own["spread.high"],
                growth=number(card, f"{SETTINGS}interval_growth"),
                novelty_mean=number(card, f"{SETTINGS}novelty_mean"),
                unfamiliar=instant.spread.unfamiliar,
            ),
            trust_power=number(card, f"{SETTINGS}trust_power"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(
            f"the weights of router {card.name} are not those of its card: {error}", DAMAGED
        ) from error


def _space(own: Tensors) -> EmbeddingSpace:
    return EmbeddingSpace(
        own["mean"].astype(np.float32),
        own["scale"].astype(np.float32),
        own["axes"].astype(np.float32),
        own["counts.mean"],
        own["counts.scale"],
    )


def _ridge(own: Tensors, size: int, width: int) -> Ridge | None:
    if "ridge.weights" not in own:
        return None
    expect("ridge.weights", own["ridge.weights"], (size, 1 + width))
    expect("ridge.offset", own["ridge.offset"], (1 + width,))
    return Ridge(own["ridge.weights"].astype(np.float32), own["ridge.offset"])


def _count(card: Card) -> int | None:
    count = card.settings[f"{SETTINGS}neighbours"]
    return None if count is None else int(count)


def _check(card: Card, own: Tensors, encoder: TextEncoder) -> None:
    """Raises KeyError or ValueError where a shape or a value cannot be that of the card."""
    width, counts = len(card.functions), len(COUNT_NAMES) - 1
    states = (encoder.depth, encoder.width)
    axes = own["axes"].shape[-1]
    centres = len(own["centres"])
    if own["centres"].dtype != np.int8:
        raise ValueError(f"centres are {own['centres'].dtype}, not int8")
    for name, shape in (
        ("mean", states),
        ("scale", states),
        ("axes", (states[0] * states[1], axes)),
        ("counts.mean", (counts,)),
        ("counts.scale", (counts,)),
        ("centres", (centres, axes + counts)),
        ("centres.steps", (axes + counts,)),
        ("kernel", (centres, 1 + width)),
        ("spread.low", (width,)),
        ("spread.high", (width,)),
    ):
        expect(name, own[name], shape)
    if "near.taken" in own:
        expect("near.taken", own["near.taken"], (1 + width, 1 + width))
