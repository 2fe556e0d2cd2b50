"""Blind votes as the app asks for them: what is shown tells nothing, the rest comes after."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random, SystemRandom
from typing import TYPE_CHECKING

from cems_tui.bench.ballot import Ballot, Ballots
from cems_tui.domain.generation import Generation
from cems_tui.errors import UsageError
from cems_tui.evidence.preference import Agreement, Answer, wilson
from cems_tui.store.database import Store

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures of one prompt, bare of whatever tells how they were made."""

    prompt: str
    left: Image
    right: Image


@dataclass(frozen=True, slots=True)
class Share:
    """How many votes went one way."""

    count: int
    of: int
    interval: tuple[float, float]
    """90 % interval of the share (Wilson)."""


@dataclass(frozen=True, slots=True)
class Told:
    """What may be known after the vote."""

    answer: Answer
    left: Generation
    right: Generation
    scorers: tuple[Agreement, ...]
    """How each instrument agrees with all votes, as `cems vote --report` says."""

    cheaper: Share | None
    """How many votes preferred the cheaper picture, of those that preferred one of a known
    price; None without any."""

    votes: int


@dataclass(slots=True)
class BallotDesk:
    """The votes of one profile; remembers the pair that is asked. Call it in one thread at a time.

    What the pair is stays here: who shows it gets bare pictures.
    """

    history: Callable[[], AbstractContextManager[Store]]
    records: Callable[[], AbstractContextManager[Store]]
    chance: Random = field(default_factory=SystemRandom)
    _asked: Ballot | None = None
    _passed: list[tuple[str, str]] = field(default_factory=list)

    def next(self) -> Pair | None:
        """The next pair; None where there is none left.

        Raises:
            StorageError: the database cannot be read.
        """
        with self.history() as store:
            while (ballot := Ballots(store, self.chance).next(self._passed)) is not None:
                try:
                    pair = Pair(ballot.prompt, bare(ballot.left.image), bare(ballot.right.image))
                except OSError:  # a damaged file cannot be voted on
                    self._passed.append((ballot.left.id, ballot.right.id))
                    continue
                self._asked = ballot
                return pair
        self._asked = None
        return None

    def skip(self) -> Pair | None:
        """The next pair; this one is not asked now."""
        if self._asked is not None:
            self._passed.append((self._asked.left.id, self._asked.right.id))
        return self.next()

    def vote(self, answer: Answer) -> Told:
        """Keep the answer to the pair that is asked; what it was.

        Raises:
            UsageError: no pair is asked, or one of the pictures was forgotten meanwhile.
            StorageError: it cannot be written.
        """
        ballot = self._asked
        if ballot is None:
            raise UsageError("no pair is asked", "Go on with another pair.")
        with self.records() as store:
            ballots = Ballots(store, self.chance)
            ballots.vote(ballot, answer)
            self._asked = None
            report = ballots.report()
            cheaper = _cheaper(store, [(v.left, v.right, v.answer) for v in report.votes])
        return Told(
            answer, ballot.left, ballot.right, tuple(report.scorers), cheaper, len(report.votes)
        )

    def undo(self) -> bool:
        """Take the last vote back; whether there was one.

        Raises:
            StorageError: it cannot be written.
        """
        with self.records() as store:
            return Ballots(store, self.chance).undo() is not None


def bare(path: Path) -> Image:
    """The pixels of a picture: neither its name nor what is written in its file.

    Raises:
        OSError: missing, unreadable or not a picture.
    """
    from PIL import Image

    try:
        with Image.open(path) as picture:
            pixels = picture.convert("RGB")
    except (SyntaxError, ValueError) as error:  # Pillow's words for damaged files
        raise OSError(f"it is damaged: {error}") from error
    return Image.frombytes("RGB", pixels.size, pixels.tobytes())


def _cheaper(store: Store, votes: Iterable[tuple[str, str, Answer]]) -> Share | None:
    count = of = 0
    for left, right, answer in votes:
        if answer not in ("left", "right"):
            continue
        prices = [store.generation(one).cost_usd for one in (left, right)]
        if None in prices or prices[0] == prices[1]:
            continue
        of += 1
        count += (prices[0] < prices[1]) == (answer == "left")  # type: ignore[operator]
    return Share(count, of, wilson(count, of)) if of else None
