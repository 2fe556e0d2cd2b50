"""Blind votes between two pictures of one prompt: what is shown, and what is told afterwards.

Function, price, seed, scores and path stay hidden until the vote; sides are drawn by chance. It
shows nothing itself: a command or a screen does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from cems_tui.domain.generation import Generation
from cems_tui.evidence.preference import Agreement, Answer, agreement
from cems_tui.files import write_bytes
from cems_tui.store.database import Store
from cems_tui.store.receipts import without_texts
from cems_tui.store.votes import Pair, Vote


@dataclass(frozen=True, slots=True)
class Ballot:
    """Two pictures to choose from, by side."""

    prompt: str
    left: Generation
    right: Generation


@dataclass(frozen=True, slots=True)
class Standing:
    """How the pictures of one function fared."""

    function: str
    won: int
    lost: int
    tied: int
    both_bad: int


@dataclass(frozen=True, slots=True)
class Report:
    """What all votes say."""

    votes: Sequence[Vote]
    functions: Sequence[Standing]
    scorers: Sequence[Agreement]

    def to_json(self) -> dict[str, Any]:
        """The object `cems vote --report --json` prints."""
        return {
            "votes": [vote.to_json() for vote in self.votes],
            "functions": [
                {
                    "function": one.function,
                    "won": one.won,
                    "lost": one.lost,
                    "tied": one.tied,
                    "both_bad": one.both_bad,
                }
                for one in self.functions
            ],
            "scorers": [one.to_json() for one in self.scorers],
        }


@dataclass(frozen=True, slots=True)
class Ballots:
    """The votes of one history."""

    store: Store
    chance: Random

    def next(self, passed: Iterable[tuple[str, str]] = ()) -> Ballot | None:
        """A pair to vote on, sides drawn by chance; None where there is none left.

        Args:
            passed: pairs of ids that are not asked now.

        Raises:
            StorageError: the database cannot be read.
        """
        skipped = {frozenset(pair) for pair in passed}
        pairs = [
            p for p in self.store.votes.open_pairs() if frozenset((p.one, p.other)) not in skipped
        ]
        seen = Counter(frozenset(vote.functions) for vote in self.store.votes.all())
        for pair in ordered(pairs, seen, self.chance):
            ballot = self._ballot(pair)
            if ballot is not None:
                return ballot
        return None

    def vote(self, ballot: Ballot, answer: Answer) -> Vote:
        """Keep the answer.

        Raises:
            UsageError: one of the pictures was forgotten meanwhile.
            StorageError: it cannot be written.
        """
        return self.store.votes.add(ballot.left.id, ballot.right.id, answer)

    def undo(self) -> Vote | None:
        """Take the last vote back; None where there is none.

        Raises:
            StorageError: it cannot be written.
        """
        return self.store.votes.undo()

    def report(self) -> Report:
        """What all votes say.

        Raises:
            StorageError: the database cannot be read.
        """
        votes = self.store.votes.all()
        won, lost, tied, bad = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
        for vote in votes:
            left, right = vote.functions
            match vote.answer:
                case "left":
                    won[left] += 1
                    lost[right] += 1
                case "right":
                    won[right] += 1
                    lost[left] += 1
                case "tie":
                    tied.update((left, right))
                case "both bad":
                    bad.update((left, right))
        names = sorted({*won, *lost, *tied, *bad})
        scorers = [
            found
            for (metric, scorer), judged in sorted(self.store.votes.judged().items())
            if (found := agreement(metric, scorer, judged)) is not None
        ]
        standings = [Standing(n, won[n], lost[n], tied[n], bad[n]) for n in names]
        return Report(votes, standings, scorers)

    def _ballot(self, pair: Pair) -> Ballot | None:
        """The pair with its pictures; None where a file is gone."""
        ids = [pair.one, pair.other]
        self.chance.shuffle(ids)
        left, right = map(self.store.generation, ids)
        if not (left.image.is_file() and right.image.is_file()):
            return None
        return Ballot(pair.prompt, left, right)


def ordered(pairs: Sequence[Pair], seen: Counter[frozenset[str]], chance: Random) -> list[Pair]:
    """Pairs in the order to ask: those of functions that were compared least first, by chance."""
    drawn = [(seen[frozenset(pair.functions)], chance.random(), pair) for pair in pairs]
    return [pair for _, _, pair in sorted(drawn, key=lambda one: one[:2])]


def neutral_copies(ballot: Ballot, folder: Path) -> tuple[Path, Path]:
    """Both pictures under names that tell nothing, without their receipts.

    Raises:
        UsageError: a file is not that picture any more.
        StorageError: it cannot be read or written.
    """
    copies = folder / "left.png", folder / "right.png"
    for made, copy in zip((ballot.left, ballot.right), copies, strict=True):
        write_bytes(copy, without_texts(made.image))
    return copies
