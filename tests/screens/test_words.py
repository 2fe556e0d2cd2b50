"""What the screens write: numbers, the price card, totals, work, receipts, commands."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cems_tui.domain.decision import Difference, Policy
from cems_tui.domain.note import Note
from cems_tui.domain.request import Failed, Generated, Loading, Noted, Routed, Scoring, Step
from cems_tui.services.engine.protocol import EngineLost, EngineReady, Started
from cems_tui.views.figures import DOLLARS, column
from cems_tui.views.price_card import price_columns, why
from screens import figures
from screens.commands import PALETTE, Command
from screens.places import APP, PLACES
from screens.studio.draft_command import draft_command
from screens.studio.price_card import BAR_CELLS, card
from screens.totals import SessionTotals
from screens.widgets import receipt
from screens.widgets.columns import family_of, short_name
from screens.widgets.keys import ALWAYS, fitting
from screens.work import Work
from tests.screens.fakes_app import CANDIDATES, candidate, decision_for, generation, request

amounts = st.none() | st.floats(min_value=0, max_value=1e5, allow_nan=False)


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (None, "—"),
        (1.027e-4, "$0.103/k"),
        (6.833e-6, "$0.00683/k"),
        (0.0, "$0/k"),
        (0.012, "$12.00/k"),
    ],
)
def test_a_price_is_for_a_thousand_pictures(usd: float | None, text: str) -> None:
    assert DOLLARS.per_thousand(usd) == text


@given(st.lists(amounts, min_size=1, max_size=8), st.data())
def test_a_column_has_its_points_under_each_other(
    values: list[float | None], data: st.DataObject
) -> None:
    guesses = data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
    cells = column(values, guesses)
    assert len({len(cell) for cell in cells}) == 1
    points = {cell.index(".") for cell in cells if "." in cell}
    assert len(points) <= 1
    for value, guess, cell in zip(values, guesses, cells, strict=True):
        assert ("~" in cell) == (guess and value is not None)
        assert ("—" in cell) == (value is None)


@given(st.floats(0, 2), st.floats(0, 1), st.floats(0, 1), st.integers(min_value=3, max_value=30))
def test_an_interval_bar_keeps_its_width_and_its_order(
    quality: float, below: float, above: float, width: int
) -> None:
    interval = (quality - below, quality + above)
    bar = figures.interval_bar(quality, interval, (-1.0, 3.0), width)
    assert len(bar) == width
    assert bar.count("●") == 1
    assert bar.find("▕") <= bar.index("●")
    assert "▏" not in bar or bar.index("●") < bar.index("▏")


def test_a_quality_without_an_interval_is_a_point() -> None:
    assert figures.interval_bar(0.5, None, (0.0, 1.0), 5) == "  ●  "
    assert figures.interval_bar(None, None, (0.0, 1.0), 5) == "     "


def test_where_it_is_narrow_the_family_is_named_once() -> None:
    made = decision_for(request())
    ours = tuple(c for c in made.candidates if c.function.startswith("starter-"))
    header, rows = card(replace(made, candidates=ours), 40)
    assert header.plain.split()[0] == "starter-…"
    assert rows[0].plain.startswith("▸ ● base@8 ")
    assert all(len(line.plain) <= 40 for line in (header, *rows))


@pytest.mark.parametrize(
    ("names", "family"),
    [
        (["starter-base@8", "starter-turbo@1"], "starter-"),
        (["sd-turbo@1", "sdxl-turbo@4"], ""),
        (["a-b-c@1", "a-b-d@1"], "a-b-"),
        (["one@1"], ""),
        (["base@1", "base@2"], ""),
        ([], ""),
    ],
)
def test_a_family_is_what_all_names_begin_with(names: list[str], family: str) -> None:
    assert family_of(names) == family


@pytest.mark.parametrize("width", [60, 68, 76, 92, 140])
def test_the_card_fits_its_width_and_drops_columns_not_characters(width: int) -> None:
    header, rows = card(decision_for(request()), width)
    lines = [header.plain, *(row.plain for row in rows)]
    assert max(len(line) for line in lines) <= width
    assert "$/k" in header.plain
    assert all(c.function in row.plain for c, row in zip(CANDIDATES, rows, strict=True))
    assert ("load" in header.plain) == (width >= 76)
    assert ("GB" in header.plain) == (width >= 92)


def test_the_interval_gets_the_room_that_is_left() -> None:
    narrow, wide = (card(decision_for(request()), width)[1][0].plain for width in (76, 140))
    assert narrow.index("▏") < wide.index("▏") + BAR_CELLS[1]
    assert wide.count("─") > narrow.count("─")


def test_the_card_marks_choice_states_guesses_and_the_unknown() -> None:
    _, rows = card(decision_for(request()), 120)
    best, _, _, small, turbo = (row.plain for row in rows)
    assert best.startswith("▸ ●")
    assert small.lstrip().startswith("○")
    assert "×0.43" in small
    assert turbo.lstrip().startswith("⇣")
    assert "—" in turbo
    assert "too big" in turbo


def test_a_long_name_keeps_its_steps() -> None:
    assert short_name("a-rather-long-model-name@25", 16) == "a-rather-lon…@25"
    assert short_name("sdxl@25", 16) == "sdxl@25"
    assert short_name("x" * 30, 8) == "xxxxxxx…"


def test_where_differences_are_known_the_card_shows_them_and_marks_what_is_too_alike() -> None:
    made = decision_for(request())
    pick, dearer, worse, *rest = made.candidates
    apart = (
        pick,
        replace(dearer, difference=Difference(pick.function, 0.026, (-0.05, 0.10), 0.035)),
        replace(worse, difference=Difference(pick.function, -0.119, (-0.2, -0.04), 0.035)),
        *rest,
    )
    decision = replace(made, candidates=apart)
    columns = price_columns(decision)
    assert columns["interval"].title == "Δ 90 %"
    assert columns["interval"].cells[:3] == ("—", "−0.05…+0.10", "−0.20…−0.04")
    assert columns["why"].cells[1:3] == ("≈ 2.5× dear", "2.0× cheap")
    _, rows = card(decision, 140)
    assert all(row.plain.count("●") >= 1 for row in rows[:3])
    facts = "\n".join(fact.text for fact in receipt.decision_receipt(decision))
    assert "against the pick +0.03, −0.05…+0.10" in facts


def test_why_says_what_sets_a_candidate_apart() -> None:
    decision = decision_for(request())
    assert [why(c, decision) for c in decision.candidates] == [
        *("best", "2.5× dear", "2.0× cheap", "2.3× cheap", "too big")
    ]
    absent = candidate("x@1", 6, 1.0, installed=False, allowed=False, fits=True)
    assert why(absent, decision) == "not here"
    assert why(candidate("x@1", 6, 1.0, allowed=False), decision) == "left out"
    assert why(candidate("x@1", 6, None), decision) == "unrated"


def test_the_session_counts_unpriced_pictures_apart(tmp_path: Path) -> None:
    priced = generation(request(), tmp_path / "a.png")
    unpriced = replace(priced, cost_usd=None, cost_source=None)
    totals = SessionTotals().adding(priced).adding(priced).adding(unpriced)
    assert totals.parts() == ["3 pictures", "$0.00283/k", "saved ~60 %", "1 unpriced"]
    assert totals.versus().startswith("vs always starter-base@20, −")
    only_unpriced = SessionTotals().adding(unpriced)
    assert only_unpriced.parts() == ["1 picture", "saved ~60 %", "1 unpriced"]


def test_a_session_of_pinned_pictures_saved_nothing(tmp_path: Path) -> None:
    made = generation(request(), tmp_path / "a.png")
    pinned = replace(made, decision=replace(made.decision, policy=Policy.pinned(made.function)))
    totals = SessionTotals().adding(pinned)
    assert totals.parts() == ["1 picture", "$0.00283/k", "saved 0, none routed"]
    assert (totals.saved, totals.savings.estimated_usd) == (None, 0.0)


def test_work_follows_a_request_from_waiting_to_its_end(tmp_path: Path) -> None:
    asked = request(name="A")
    work = Work().submitting(asked)
    phases = []
    for event in (
        EngineReady("", frozenset({"f@1"})),
        Started("A"),
        Routed("A", decision_for(asked)),
        Loading("A", "f@1", None),
        Step("A", "f@1", 1, 4),
        Scoring("A", "f@1"),
    ):
        work = work.after(event, 5.0)
        phases.append(work.jobs[0].phase)
    assert phases == ["waiting", "starting", "starting", "loading", "drawing", "scoring"]
    assert work.resident == {"f@1"}
    assert work.jobs[0].began == 5.0
    assert work.jobs[0].loading_seconds is None
    done = work.after(Generated("A", generation(asked, tmp_path / "a.png")), 6.0)
    assert done.jobs == ()


def test_a_request_that_was_asked_to_stop_is_shown_stopping_until_it_ends() -> None:
    work = Work().submitting(request(name="A")).after(Started("A"), 0.0).stopping("A")
    work = work.after(Step("A", "f@1", 2, 4), 1.0)
    assert work.running is not None
    assert work.running.phase == "stopping"
    work = work.after(Failed("A", "stopped", "", 130), 1.0)
    assert work.jobs == ()
    assert work.failure is not None
    assert work.failure.cancelled


def test_a_lost_engine_loses_what_ran_and_keeps_what_waits() -> None:
    work = Work().submitting(request(name="A")).submitting(request(name="B"))
    work = work.after(Started("A"), 0.0).after(EngineLost("A", ("B",), "it died"), 1.0)
    assert [job.request.id for job in work.jobs] == ["B"]
    assert work.lost is not None
    assert work.failure is not None
    assert work.failure.request == request(name="A")
    fresh = work.restarted()
    assert fresh.lost is None
    assert [job.phase for job in fresh.jobs] == ["waiting"]


def test_what_is_not_known_changes_nothing() -> None:
    work = Work()
    assert work.after(Step("nobody", "f@1", 1, 2), 0.0) == work
    assert work.after(Failed("nobody", "no"), 0.0).failure is not None
    assert work.after(Noted("nobody", Note("other", "hm")), 0.0).note == "hm"


@given(st.text(min_size=1).filter(lambda text: "\x00" not in text and text.isprintable()))
def test_a_copied_command_gives_the_prompt_back(prompt: str) -> None:
    words = shlex.split(draft_command(prompt, Policy.tradeoff(0.55)))
    assert words[:4] == ["cems", "generate", "--tradeoff", "0.55"]
    assert words[-1] == prompt
    assert ("--" in words) == (prompt.startswith("-") or prompt == "--")


def test_a_copied_command_holds_no_control_character() -> None:
    command = draft_command("a\x1b[31m 'cat'\n\u202e", Policy.pinned("f@1"))
    assert command == r"cems generate --function f@1 $'a\u001b[31m \'cat\'\u000a\u202e'"


def test_a_pictures_command_draws_the_same_picture(tmp_path: Path) -> None:
    made = generation(request("a red car"), tmp_path / "a.png", negative="-blur")
    assert shlex.split(receipt.as_command(made)) == [
        *("cems", "generate", "--function", "starter-base@8", "--seed", "7", "--size", "64x64"),
        *("--negative=-blur", "a red car"),
    ]


def test_a_receipt_tells_expected_from_measured_and_priced_from_not(tmp_path: Path) -> None:
    made = generation(request(), tmp_path / "a.png")
    words = {fact.name: fact.text for fact in receipt.receipt(made)}
    assert "1.27 (expected 1.28, 1.20…1.35)" in words["scores"]
    assert words["price"].startswith("$0.00283 per 1,000 measured")
    unpriced = replace(made, cost_usd=None, cost_source=None, score_error="no scorer\x1b")
    words = {fact.name: fact.text for fact in receipt.receipt(unpriced)}
    assert words["price"] == "unpriced"
    assert words["scores"] == "not scored: no scorer␛"


def test_every_candidate_is_in_the_decisions_receipt() -> None:
    words = "\n".join(fact.text for fact in receipt.decision_receipt(decision_for(request())))
    for offered in CANDIDATES:
        assert offered.function in words
    assert "published" in words
    assert "not installed" in words


@pytest.mark.parametrize("screen", [place.commands for place in PLACES])
def test_no_two_commands_of_a_screen_share_a_key_and_none_takes_a_terminals_key(
    screen: tuple[Command, ...],
) -> None:
    commands: tuple[Command, ...] = (*screen, *APP)
    keys = [command.key for command in commands]
    assert len(set(keys)) == len(keys)
    assert len({command.id for command in commands}) == len(commands)
    assert not {f"ctrl+{letter}" for letter in "szijmba"} & set(keys)
    assert PALETTE.key == "ctrl+p"


@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.text("w", min_size=1, max_size=9))),
    st.integers(30, 100),
)
def test_the_key_line_is_never_wider_than_the_screen(
    others: list[tuple[str, str]], width: int
) -> None:
    unique = list(dict(others).items())
    keys = [*unique[:2], ("ctrl+g", "draw"), *unique[2:], ("ctrl+p", "commands")]
    kept = fitting(keys, width + 12)
    assert {word for _, word in kept} >= ALWAYS
    assert sum(len(key) + 1 + len(word) for key, word in kept) + 2 * (len(kept) - 1) <= width + 12
