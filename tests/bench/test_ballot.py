"""A ballot hides what was paid, shows each pair once, and its votes are scores of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from PIL import Image

from cems_tui.bench.ballot import Ballots, neutral_copies, ordered
from cems_tui.domain.pricing import Pricing
from cems_tui.domain.score import Score
from cems_tui.errors import UsageError
from cems_tui.services.own_scores import OwnScores
from cems_tui.store.database import Store, open_store
from cems_tui.store.receipts import NoReceipt, read_receipt, write_png
from cems_tui.store.votes import Pair
from tests.store.records import generation

DEAR, CHEAP = "dear@9", "cheap@1"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Three prompts, each drawn by a dear and a cheap function."""
    with open_store(tmp_path / "cems.db") as opened:
        session = opened.session()
        for number in range(3):
            for function, value in ((DEAR, 1.5), (CHEAP, 1.0)):
                made = generation(
                    session,
                    tmp_path,
                    id=f"01{function[:1].upper()}{number}",
                    prompt=f"prompt {number}",
                    executed=function,
                    scores=(Score("mixed", value, "m:1"), Score("odd", value, "o:1", False)),
                )
                write_png(Image.new("RGB", (8, 8), "red"), made.image, made.to_json())
                opened.add_generation(made)
        yield opened


def ballots(store: Store, seed: int = 0) -> Ballots:
    return Ballots(store, Random(seed))


def test_every_pair_is_asked_once_and_undo_brings_it_back(store: Store) -> None:
    voting, seen = ballots(store), []
    while (ballot := voting.next()) is not None:
        assert ballot.left.prompt == ballot.right.prompt == ballot.prompt
        assert {ballot.left.executed, ballot.right.executed} == {DEAR, CHEAP}
        seen.append(ballot.prompt)
        voting.vote(ballot, "tie")
    assert sorted(seen) == ["prompt 0", "prompt 1", "prompt 2"]
    taken = voting.undo()
    assert taken is not None
    again = voting.next()
    assert again is not None
    assert {again.left.id, again.right.id} == {taken.left, taken.right}
    assert [voting.undo() is None for _ in range(3)] == [False, False, True]


def test_what_is_passed_is_not_asked_now(store: Store) -> None:
    voting, passed = ballots(store), []
    while (ballot := voting.next(passed)) is not None:
        passed.append((ballot.left.id, ballot.right.id))
    assert len(passed) == 3
    assert voting.next() is not None


def test_sides_are_drawn_by_chance(store: Store) -> None:
    sides = Counter(
        ballot.left.executed
        for seed in range(60)
        if (ballot := ballots(store, seed).next()) is not None
    )
    assert min(sides[DEAR], sides[CHEAP]) > 15


def test_copies_tell_nothing(store: Store, tmp_path: Path) -> None:
    ballot = ballots(store).next()
    assert ballot is not None
    for copy in neutral_copies(ballot, tmp_path):
        assert copy.stem in ("left", "right")
        with pytest.raises(NoReceipt):
            read_receipt(copy)


def test_a_pair_whose_file_is_gone_or_in_the_trash_is_not_asked(store: Store) -> None:
    (store.path.parent / "01D0.png").unlink()
    store.hide("01C1")
    ballot = ballots(store).next()
    assert ballot is not None
    assert ballot.prompt == "prompt 2"


def test_functions_compared_least_are_asked_first() -> None:
    often, seldom = Pair("p", "1", "2", ("a", "b")), Pair("p", "3", "4", ("a", "c"))
    seen = Counter({frozenset(("a", "b")): 5})
    for seed in range(10):
        assert ordered([often, seldom], seen, Random(seed))[0] == seldom


def test_votes_are_reported_beside_what_scorers_read(store: Store) -> None:
    voting = ballots(store)
    for answer in ("dear", "both bad", "dear"):
        ballot = voting.next()
        assert ballot is not None
        side = "left" if ballot.left.executed == DEAR else "right"
        voting.vote(ballot, side if answer == "dear" else "both bad")  # type: ignore[arg-type]
    told = voting.report()
    assert [(f.function, f.won, f.lost, f.both_bad) for f in told.functions] == [
        (CHEAP, 0, 2, 1),
        (DEAR, 2, 0, 1),
    ]
    agreed = {one.metric: (one.votes, one.agreed) for one in told.scorers}
    assert agreed == {"mixed": (2, 1.0), "odd": (2, 0.0)}  # lower is better on the second


def test_votes_are_a_score_table_of_their_own(store: Store) -> None:
    voting = ballots(store)
    ballot = voting.next()
    assert ballot is not None
    voting.vote(ballot, "left")
    other = voting.next()
    assert other is not None
    voting.vote(other, "both bad")
    own = OwnScores(lambda: open_store(store.path, read_only=True), Pricing)
    table = own.table("vote")
    assert table.scorers == {"vote": "votes"}
    scores = {
        (row.function, row.prompt): row.score for row in table.table.rows if row.metric == "vote"
    }
    assert scores[ballot.left.executed, ballot.prompt] == 1.0
    assert scores[ballot.right.executed, ballot.prompt] == 0.0
    assert {scores[name, other.prompt] for name in (DEAR, CHEAP)} == {0.0}


def test_a_vote_goes_with_a_picture_that_is_forgotten(store: Store) -> None:
    voting = ballots(store)
    ballot = voting.next()
    assert ballot is not None
    voting.vote(ballot, "left")
    store.forget([ballot.left.id])
    assert voting.report().votes == []
    with pytest.raises(UsageError, match="forgotten meanwhile"):
        voting.vote(ballot, "left")
