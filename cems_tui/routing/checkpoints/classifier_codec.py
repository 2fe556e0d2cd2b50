"""The numbers of a CEMS classifier as named tensors, and back with every shape checked.

A tuned tower is kept in single precision: at CEMS's learning rate half precision would round
most of what was learned away.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.errors import WeightsError
from cems_tui.routing.checkpoints.card import DAMAGED, Card
from cems_tui.routing.checkpoints.stack_codec import read_reader, reader_tensors
from cems_tui.routing.estimators.classifier import ClassifierRouter, Head
from cems_tui.routing.estimators.members import expect
from cems_tui.routing.features.clip_text import ClipTokens, TextTower, TowerShape, checked
from cems_tui.routing.features.text_encoder import TextEncoder, Towers

Tensors = Mapping[str, NDArray[Any]]

_TOWER, _HEAD = "tower.", "head."


def settings_of(router: ClassifierRouter) -> dict[str, float | int | None]:
    """The single numbers of a classifier: they stand in its card."""
    return {
        "novelty_limit": router.familiarity.limit,
        "unseen_content": router.reader.content.unseen,
    }


def to_tensors(router: ClassifierRouter) -> dict[str, NDArray[Any]]:
    """Everything of the classifier that is not in its card; the tower only where it was tuned."""
    tensors: dict[str, NDArray[Any]] = {
        **reader_tensors(router.reader, router.familiarity),
        **{f"{_HEAD}{name}": value for name, value in router.head.weights.items()},
        "prior": router.prior,
    }
    tower = router.reader.tower
    assert tower is not None, "a classifier reads a text tower"
    if tower.facts.in_checkpoint:
        assert isinstance(tower, TextTower), "only CLIP's text towers are tuned"
        tensors |= {f"{_TOWER}{name}": value for name, value in tower.weights.items()}
        tensors["tower_tokens"] = _bytes(tower.tokens.to_json())
        tensors["tower_shape"] = _bytes(json.dumps(asdict(tower.shape)))
    return {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}


def from_tensors(card: Card, tensors: Tensors, towers: Towers) -> ClassifierRouter:
    """The classifier of a card and its tensors.

    Raises:
        WeightsError: a tensor is missing, has another shape than the card says, or is not finite;
            or the text tower is not at hand.
    """
    try:
        if card.encoder is None:
            raise ValueError("the card names no text tower")
        own = card.encoder.in_checkpoint
        tower = _tower(card, tensors) if own else towers.find(card.encoder)
        return _router(card, tensors, tower)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise WeightsError(
            f"the weights of router {card.name} are not those of its card: {error}", DAMAGED
        ) from error


def _router(card: Card, tensors: Tensors, tower: TextEncoder) -> ClassifierRouter:
    reader, familiarity = read_reader(card, tensors, tower)
    width, d = len(card.functions), tower.width
    head = {
        name.removeprefix(_HEAD): value for name, value in tensors.items() if name.startswith(_HEAD)
    }
    for name, shape in (
        ("hidden.weight", (d, d)),
        ("hidden.bias", (d,)),
        ("out.weight", (width, d)),
        ("out.bias", (width,)),
    ):
        expect(name, head[name], shape)
    expect("prior", tensors["prior"], (width,))
    functions = tuple(card.functions)
    return ClassifierRouter(
        functions, card.metric, reader, familiarity, Head(head), tensors["prior"]
    )


def _tower(card: Card, tensors: Tensors) -> TextTower:
    assert card.encoder is not None, "checked by the caller"
    shape = TowerShape(**json.loads(tensors["tower_shape"].tobytes()))
    weights = {
        name.removeprefix(_TOWER): value
        for name, value in tensors.items()
        if name.startswith(_TOWER)
    }
    text = tensors["tower_tokens"].tobytes().decode("utf-8")
    tokens = ClipTokens.from_json(text, shape.max_position_embeddings)
    return TextTower(card.encoder, shape, tokens, checked(weights, shape))


def _bytes(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode("utf-8"), np.uint8)
