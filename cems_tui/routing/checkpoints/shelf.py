"""The router checkpoints at hand, and which one is asked."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from cems_tui.domain.encoder import FunctionFacts
from cems_tui.domain.function import GenerationFunction
from cems_tui.errors import UnknownName
from cems_tui.routing.checkpoints.card import Card, check_compatible, choose_router, parse_card
from cems_tui.routing.checkpoints.checkpoint import Checkpoint, list_checkpoints, load_checkpoint
from cems_tui.routing.features.text_encoder import Towers


class RouterShelf:
    """Checkpoints of several folders, each loaded and checked once, when first asked."""

    def __init__(
        self,
        folders: Sequence[Path],
        towers: Towers | None = None,
        wording_of: Callable[[Iterable[str]], Callable[[str], str]] = lambda functions: str,
    ) -> None:
        """Of checkpoints of equal name the first folder's counts.

        Args:
            towers: the text towers at hand, for the routers that read one.
            wording_of: in which words functions of these names are asked for.
        """
        self._folders = folders
        self._towers = towers
        self._wording_of = wording_of
        self._loaded: dict[str, Checkpoint] = {}
        self._digests: dict[str, str] = {}

    @cached_property
    def _cards(self) -> dict[str, tuple[Path, Card]]:
        return {card.name: (folder, card) for folder, card in list_checkpoints(self._folders)}

    def cards(self) -> list[Card]:
        """Every readable card, by name."""
        return [card for _, card in self._cards.values()]

    def named(self, name: str) -> Checkpoint:
        """The checkpoint of that name.

        Raises:
            UnknownName: there is none.
            WeightsError: it is damaged, or its text tower is not here.
        """
        if name not in self._loaded:
            if name not in self._cards:
                folder = self._damaged(name)
                if folder is None:
                    raise UnknownName.of("router", name, self._cards)
                return load_checkpoint(folder, name, self._towers)  # says what is wrong
            found = load_checkpoint(self._cards[name][0], name, self._towers)
            self._loaded[name] = replace(found, wording=self._wording_of(found.functions))
        return self._loaded[name]

    def digest(self, name: str) -> str | None:
        """`sha256:…` of the weights of a readable checkpoint; None when there is none."""
        if name not in self._digests and name in self._cards:
            folder = self._cards[name][0]
            text = (folder / f"{name}.json").read_text(encoding="utf-8-sig")
            self._digests[name] = parse_card(text, f"{name}.json")[1]
        return self._digests.get(name)

    def folder(self, name: str) -> Path | None:
        """Where a readable checkpoint lies; None when there is none."""
        return self._cards[name][0] if name in self._cards else None

    def default(self, functions: Sequence[str]) -> Checkpoint | None:
        """The one that knows most of these functions; None when none knows any.

        Raises:
            WeightsError: that one is damaged.
        """
        card = choose_router(self.cards(), None, functions)
        return None if card is None else self.named(card.name)

    def notes(
        self, checkpoint: Checkpoint, functions: Sequence[GenerationFunction]
    ) -> Mapping[str, str]:
        """What could not be verified of each function of this machine against the checkpoint.

        Raises:
            WeightsError: a function differs from the one the checkpoint was trained on.
        """
        facts = {
            function.name: FunctionFacts(
                weights=function.model.digest, steps=function.steps, guidance=function.guidance
            )
            for function in functions
        }
        return check_compatible(checkpoint.card, facts)

    def _damaged(self, name: str) -> Path | None:
        """The folder that has a file of that name, though not a readable card."""
        files = (f"{name}.json", f"{name}.safetensors")
        for folder in self._folders:
            if any(os.path.isfile(folder / file) for file in files):  # any name can be asked for
                return folder
        return None
