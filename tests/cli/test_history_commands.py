"""The history at the command line: marked, found, thrown away, forgotten, handed on."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from pyarrow import parquet

from cems_tui.domain.score import Score
from cems_tui.profile import Profile
from cems_tui.store.receipts import NoReceipt, read_receipt, write_png
from tests.cli.inside import Inside, inside
from tests.store.records import generation

__all__ = ["inside"]

SECRET = "a unicorn in Zanzibar"


@pytest.fixture
def drawn(inside: Inside, tmp_path: Path) -> Inside:
    """A home with two pictures."""
    profile = Profile.current()
    profile.pictures.mkdir(parents=True)
    with profile.records() as store:
        session = store.session("evening", command=f"generate {SECRET}")
        for name, prompt in (("01AAAAAAAA", SECRET), ("01BBBBBBBB", "a red car")):
            made = replace(generation(session, profile.pictures, id=name), prompt=prompt)
            write_png(Image.new("RGB", (8, 8), "red"), made.image, made.to_json())
            store.add_generation(made)
            store.add_failure(name, session, prompt, "it broke", 1)
    return inside


def ids(drawn: Inside, *more: str) -> list[str]:
    return drawn("history", "ls", "-q", *more).out.split()


def test_marks_are_kept_and_searched(drawn: Inside) -> None:
    assert drawn("history", "rate", "01A", "4").code == 0
    assert drawn("history", "star", "01A", "01B").code == 0
    assert drawn("history", "star", "01B", "--off").code == 0
    assert ids(drawn, "--search", "star:yes rating:>3") == ["01AAAAAAAA"]
    assert drawn("history", "rate", "01A", "none").code == 0
    assert ids(drawn, "--search", "rating:>0") == []
    for wrong in ("6", "0", "-1", "x", "²", "9" * 20):
        assert drawn("history", "rate", "--", "01A", wrong).code == 2
    assert drawn("history", "rate", "nobody", "3").code == 2
    assert drawn("history", "ls", "--search", "score:high").code == 2


def test_the_trash_gives_back_what_went_into_it(drawn: Inside) -> None:
    assert drawn("history", "rm", "01A", "--dry-run").out.split() == ["01AAAAAAAA"]
    assert len(ids(drawn)) == 2
    assert drawn("history", "rm", "01A").code == 0
    assert ids(drawn) == ["01BBBBBBBB"]
    assert ids(drawn, "--trash") == ["01AAAAAAAA"]
    assert drawn("history", "restore", "--all").out == "1 picture restored\n"
    assert len(ids(drawn)) == 2


def test_many_go_only_when_the_user_says_so(drawn: Inside) -> None:
    assert drawn("history", "rm").code == 2
    assert drawn("history", "rm", "--search", "").code == 2
    assert drawn("history", "rm", "01A", "--forever").code == 2
    assert drawn("history", "rm", "01A", "--trash").code == 2
    assert len(ids(drawn)) == 2
    assert drawn("history", "rm", "--search", "", "--yes").code == 0
    assert ids(drawn) == []


def test_what_is_forgotten_is_nowhere_any_more(drawn: Inside, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert any(b"Zanzibar" in path.read_bytes() for path in home.rglob("*") if path.is_file())
    ran = drawn("history", "rm", "01A", "--forever", "--yes")
    assert (ran.code, ran.out) == (0, "1 picture forgotten\n")
    left = [
        p.name for p in home.rglob("*") if p.is_file() and b"zanzibar" in p.read_bytes().lower()
    ]
    assert left == []
    assert ids(drawn) == ["01BBBBBBBB"]
    assert ids(drawn, "--search", "zanzibar") == []


def test_a_file_that_is_another_by_now_is_not_removed(drawn: Inside) -> None:
    file = next(Profile.current().pictures.glob("01AAAAAAAA*"))
    file.write_bytes(b"a letter")
    ran = drawn("history", "rm", "01A", "--forever", "--yes")
    assert ran.code == 0
    assert "stays" in ran.err
    assert file.read_bytes() == b"a letter"


def test_what_is_in_the_trash_can_be_forgotten_at_once(drawn: Inside) -> None:
    drawn("history", "rm", "01A")
    assert drawn("history", "rm", "--forever", "--trash", "--yes").out == "1 picture forgotten\n"
    assert ids(drawn, "--trash") == []
    assert ids(drawn) == ["01BBBBBBBB"]


def test_the_history_leaves_as_a_table(drawn: Inside, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in drawn("history", "export").out.splitlines()]
    listed = drawn("history", "ls", "--json").document
    assert [row["id"] for row in rows] == [row["id"] for row in listed]
    assert rows[0]["decision"] == listed[0]["decision"]
    table = list(csv.DictReader(io.StringIO(drawn("history", "export", "--format", "csv").out)))
    assert [row["prompt"] for row in table] == [row["prompt"] for row in rows]
    assert float(table[0]["score_nima"]) == rows[0]["scores"]["nima"]
    ran = drawn("history", "export", "--format", "parquet", "--out", "h.parquet")
    assert ran.code == 0, ran.err
    assert parquet.read_table("h.parquet")["seed"].to_pylist() == [str(r["seed"]) for r in rows]
    found = drawn("history", "export", "--search", "unicorn").out.splitlines()
    assert [json.loads(line)["id"] for line in found] == ["01AAAAAAAA"]
    assert drawn("history", "export", "--format", "parquet").code == 2


def test_no_prompt_becomes_rows_or_a_formula_of_the_table(drawn: Inside) -> None:
    prompts = ["a\rb", "x\r01EVIL,2026-11-27,s,forged", '=HYPERLINK("http://e","x")', "@x", "-1"]
    with Profile.current().records() as store:
        for prompt in prompts:
            made = replace(generation(store.session(), Profile.current().pictures), prompt=prompt)
            store.add_generation(made)
    text = drawn("history", "export", "--format", "csv", "--out", "h.csv")
    assert text.code == 0, text.err
    with open("h.csv", newline="") as file:
        table = list(csv.DictReader(file))
    told = [row["prompt"] for row in table][: len(prompts)]
    assert told == [f"'{prompt}" if prompt[0] in "=@-" else prompt for prompt in prompts[::-1]]
    assert len(table) == len(prompts) + 2
    assert {row["cost_usd"][0] for row in table} <= set("0123456789")


def test_pictures_are_handed_on_with_their_receipts_or_without(drawn: Inside) -> None:
    assert drawn("history", "export", "--pictures", "whole").code == 0
    assert drawn("history", "export", "--pictures", "bare", "--strip").code == 0
    for path in Path("whole").iterdir():
        assert read_receipt(path)["id"] == path.stem
    for path in Path("bare").iterdir():
        with pytest.raises(NoReceipt):
            read_receipt(path)
        with Image.open(path) as bare, Image.open(Path("whole") / path.name) as whole:
            assert bare.tobytes() == whole.tobytes()
        assert b"Zanzibar" not in path.read_bytes()
    assert drawn("history", "export", "--pictures", "whole").code == 2
    assert drawn("history", "export", "--strip").code == 2


def test_a_backup_is_a_whole_database_and_never_overwrites(drawn: Inside) -> None:
    assert drawn("history", "backup", "copy.db").code == 0
    assert drawn("history", "backup", "copy.db").code == 2
    assert Path("copy.db").stat().st_size > 10_000


def test_statistics_follow_a_search_and_stand_by_group(drawn: Inside) -> None:
    whole = drawn("history", "stats", "--json").document
    assert (whole["pictures"], whole["failures"], whole["energy_wh"]) == (2, 2, None)
    found = drawn("history", "stats", "since:monday", "unicorn", "--json").document
    assert (found["pictures"], found["failures"]) == (1, None)
    assert drawn("history", "stats", "since:tomorrow").code == 2
    best = next(one for one in whole["savings"]["against"] if one["against"] == "best single")
    assert best["quality"][0]["scored"] == pytest.approx(1.31)
    assert (
        "instead   always the cheapest, starter-turbo@1: ~$0.000900 per 1,000, scoring 1.310"
        in (drawn("history", "stats").out)
    )
    for group in ("day", "week", "session", "function", "router"):
        told = drawn("history", "stats", "--group-by", group, "--json").document
        assert told["group_by"] == group
        assert sum(one["pictures"] for one in told["groups"]) == 2
        lines = drawn("history", "stats", "--group-by", group).out.splitlines()
        assert lines[0].split()[0] == group
        assert any(line.startswith(told["groups"][0]["name"]) for line in lines)
    assert drawn("history", "stats", "--group-by", "mood").code == 2


def test_a_plot_is_letters_alone(drawn: Inside) -> None:
    out = drawn("history", "stats", "--plot").out
    assert "cost a picture ($/k)" in out
    assert "\x1b" not in out
    assert "worth it?" in out
    assert drawn("history", "stats", "nothing-like-it", "--plot").code == 0


def test_money_and_energy_that_are_unknown_are_not_zero(inside: Inside) -> None:
    profile = Profile.current()
    with profile.records() as store:
        session = store.session()
        made = generation(session, profile.pictures, cost_usd=None, energy_wh=None)
        store.add_generation(made)
    told = inside("history", "stats", "--json").document
    assert (told["cost_usd"], told["energy_wh"], told["unmetered"]) == (None, None, 1)
    assert "energy    — (1 not measured beside)" in inside("history", "stats").out


def test_a_badly_routed_picture_is_found_by_its_regret(drawn: Inside) -> None:
    profile = Profile.current()
    with profile.records() as store:
        session = store.session()
        for name, function, value in (("01C", "cheap@1", 1.0), ("01D", "dear@9", 1.5)):
            scores = (Score("mixed", value, "m:1"),)
            store.add_generation(
                generation(
                    session, profile.pictures, id=name, prompt="四匹の猫", executed=function,
                    scores=scores,
                )
            )  # fmt: skip
    assert ids(drawn, "--search", "regret:>0.4") == ["01C"]
    assert ids(drawn, "--search", "regret:>0.6") == []
    assert ids(drawn, "--search", "regret:0 猫") == ["01D"]
    told = drawn("history", "stats", "猫", "--json").document["regret"]
    assert [(one["pictures"], one["mean"]) for one in told] == [(2, 0.25)]


def test_votes_need_a_terminal_and_their_report_does_not(drawn: Inside) -> None:
    assert drawn("vote").code == 2
    assert drawn("vote", "--json").code == 2
    assert drawn("vote", "--report", "--undo").code == 2
    assert "nobody voted yet" in drawn("vote", "--report").err
    assert drawn("vote", "--report", "--json").document == {
        "votes": [],
        "functions": [],
        "scorers": [],
    }
    assert drawn("vote", "--undo").out == "there is no vote to take back\n"


def test_a_drift_is_told_with_what_to_do(drawn: Inside) -> None:
    profile = Profile.current()
    assert drawn("history", "stats", "--json").document["drift"] == []
    with profile.records() as store:
        session = store.session()
        for number in range(40):  # foreseen 1.24 to 1.38
            scores = (Score("mixed", 0.5, "m:1"),)
            store.add_generation(
                generation(session, profile.pictures, id=f"01D{number}", scores=scores)
            )
    [told] = drawn("history", "stats", "--json").document["drift"]
    assert (told["router"], told["scored"], told["outside"], told["drifted"]) == (
        "starter",
        40,
        40,
        True,
    )
    assert "cems router retrain" in drawn("history", "stats").out


def test_shadow_is_off_until_it_has_a_budget(inside: Inside) -> None:
    assert inside("shadow", "on").code == 2
    assert "--pictures 20" in inside("shadow", "on").err
    assert inside("shadow", "run").code == 2
    assert inside("shadow", "on", "--pictures", "-1").code == 2
    on = inside("shadow", "on", "--pictures", "5", "--budget", "0.001")
    assert (on.code, on.err) == (
        0,
        "shadow is on: at most 5 pictures and $0.001 a day, in idle time\n",
    )
    told = inside("shadow", "status", "--json").document
    assert told["on"] is True
    assert told["limits"] == {"cost_usd": 0.001, "seconds": None, "pictures": 5}
    assert (told["drawn"], told["waiting"], told["measured_regret"]) == (0, 0, [])
    assert inside("shadow", "on", "--budget", "0").code == 0
    assert inside("shadow", "off").code == 0
    told = inside("shadow", "status")
    assert told.out.startswith("shadow    off, at most 5 pictures a day\n")


def test_kept_drafts_are_finished_with_what_is_dearer_and_both_stages_have_a_bill(
    drawn: Inside,
) -> None:
    [one, *_] = ids(drawn)
    told = drawn("finish", one, one, "--dry-run", "--json")
    assert told.code == 0
    assert told.lines == [
        {"id": one, "function": "starter-base@50", "cost_usd": told.lines[0]["cost_usd"]}
    ]
    assert told.lines[0]["cost_usd"] > 0
    stages = [line.split()[0] for line in told.err.splitlines()]
    assert stages == ["drafts", "finished", "together", "nothing"]
    assert "finished  1 picture, ~$" in told.err
    named = drawn("finish", one, "--function", "starter-turbo@1", "--dry-run")
    assert named.out == f"{one} starter-turbo@1\n"
    again = drawn("finish", one, "--function", "starter-base@20", "--dry-run")
    assert again.code == 2
    assert "already" in again.err
    assert drawn("finish", "nobody", "--dry-run").code == 2
    assert drawn("finish", one, "--function", "nobody@1", "--dry-run").code == 2


def test_a_router_of_votes_says_how_many_votes_it_needs(drawn: Inside, tmp_path: Path) -> None:
    with Profile.current().records() as store:
        session = store.session("evening")
        pair = [
            generation(session, tmp_path, function=name, executed=name)
            for name in ("starter-base@20", "starter-turbo@1")
        ]
        for one in pair:
            store.add_generation(one)
        store.votes.add(pair[0].id, pair[1].id, "left")
    told = drawn("router", "retrain", "--metric", "vote")
    assert told.code == 2
    assert "not enough pairs yet: 1 of about 120" in told.err
    assert "`cems vote` asks for them: about 119 prompts more" in told.err
