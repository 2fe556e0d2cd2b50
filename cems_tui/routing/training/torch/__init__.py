"""Networks that are taught with torch, behind a door that imports it when one is wanted."""

from __future__ import annotations

from collections.abc import Callable

from cems_tui.routing.features.text_encoder import TextEncoder
from cems_tui.routing.training.cems_recipe import Examples, Recipe, Taught
from cems_tui.routing.training.member_learners import MemberLearner
from cems_tui.routing.training.order import TrainingOrder
from cems_tui.routing.training.splits import Split
from cems_tui.routing.training.torch.kept import Kept

__all__ = ["teach", "token_learner"]


def token_learner(order: TrainingOrder) -> MemberLearner:
    """Who learns the token transformer; see `tokens.TokenLearner`."""
    from cems_tui.routing.training.torch.tokens import TokenLearner

    return TokenLearner(order)


def teach(
    tower: TextEncoder,
    examples: Examples,
    split: Split,
    recipe: Recipe,
    *,
    seed: int,
    device: str,
    kept: Kept,
    tell: Callable[[str], None],
) -> Taught:
    """The CEMS classifier taught by its recipe; see `cems.teach`."""
    from cems_tui.routing.training.torch import cems_network

    return cems_network.teach(
        tower, examples, split, recipe, seed=seed, device=device, kept=kept, tell=tell
    )
