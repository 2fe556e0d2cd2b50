"""The life of a router at the command line: trained, judged, used, taken back, passed on."""

from __future__ import annotations

import hashlib
import json
import os
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from cems_tui.routing.decide.dial import STEPS_OF_LAMBDA
from cems_tui.score_tables.formats import ScoreTable, write_table
from tests.cli.contract import EVAL
from tests.cli.inside import Inside, inside
from tests.routing.fakes import table_of_noise, table_with_signal

__all__ = ["inside"]


def imported(inside: Inside, table: ScoreTable, name: str) -> None:
    write_table(table, Path(f"{name}.csv"))
    ran = inside("bench", "import", f"{name}.csv", "--name", name)
    assert ran.code == 0, ran.err


def trained(inside: Inside, bench: str, name: str, kind: str = "ridge") -> None:
    ran = inside("router", "train", "--bench", bench, "--kind", kind, "--name", name)
    assert ran.code == 0, ran.err


@pytest.fixture
def stocked(inside: Inside) -> Inside:
    """A home with a table of signal, one of noise, and routers trained on them."""
    imported(inside, table_with_signal(120), "signal")
    imported(inside, table_of_noise(60), "noise")
    trained(inside, "signal", "good")
    trained(inside, "noise", "luck")
    return inside


def in_use(inside: Inside) -> str:
    rows = inside("router", "ls", "--json").document
    return next(row["router"] for row in rows if row["in_use"])


def test_eval_prints_everything_the_contract_names(stocked: Inside) -> None:
    ran = stocked("router", "eval", "good", "--bench", "signal", "--json")
    assert ran.code == 0, ran.err
    found = ran.document
    assert found.keys() >= EVAL
    assert (found["router"], found["bench"], found["split"]) == ("good", "signal", "folds")
    assert len(found["curve"]) == STEPS_OF_LAMBDA
    names = {one["name"] for one in found["strategies"]}
    assert names >= {"oracle", "random", "zero-mix", "router", "always:cheap@1"}
    assert set(found["cpt"]) == {"50", "80", "95"}
    assert found["latency_ms"]["p50"] > 0
    assert found["correlation"]["differences"] > 0.3
    assert found["groups"]["grammar"]["prompts"] == 120
    assert found["verdict"] == "beats best single"
    assert "always dear@20" in found["verdict_in_words"]


def test_another_table_is_judged_whole_and_trained_prompts_are_called_flattering(
    stocked: Inside,
) -> None:
    imported(stocked, table_with_signal(60, seed=5), "fresh")
    fresh = stocked("router", "eval", "good", "--bench", "fresh", "--json")
    assert fresh.document["split"] == "all"
    assert stocked("router", "eval", "good", "--bench", "fresh", "--split", "test").code == 2
    own = stocked("router", "eval", "good", "--bench", "signal", "--split", "all")
    assert "flatter" in own.err
    parts = stocked("router", "eval", "good", "--bench", "fresh", "--split", "groups", "--json")
    assert parts.document["split"] == "groups"
    assert list(parts.document["groups"]) == ["grammar"]


def test_figures_that_need_prices_are_null_without_them(stocked: Inside) -> None:
    bare = [replace(row, cost_usd=None) for row in table_with_signal(40, seed=6).rows]
    holes = [row for row in bare if (row.prompt_id, row.function) != ("p3", "dear@20")]
    imported(stocked, ScoreTable.of(holes), "bare")
    ran = stocked("router", "eval", "good", "--bench", "bare", "--json")
    assert ran.document["area_recovered"] is ran.document["qnc"] is None
    assert ran.document["prompts"] == 39
    assert "39 of 40 prompts have a score of every function" in ran.err
    assert "figures that need prices are null" in ran.err


def test_a_router_that_does_not_beat_the_best_single_needs_to_be_forced(stocked: Inside) -> None:
    refused = stocked("router", "use", "luck")
    assert refused.code == 2
    assert "the best single function on 60 prompts: its quality differs by" in refused.err
    assert "--force" in refused.err
    assert in_use(stocked) == "starter"
    assert "refused    luck " in stocked("router", "show", "luck").out
    assert stocked("router", "use", "luck", "--force").code == 0
    assert in_use(stocked) == "luck"


def test_a_mixed_score_of_another_scale_is_told(stocked: Inside) -> None:
    rows = [
        replace(row, metric=metric, score=(row.score or 0.0) * scale, cost_usd=None)
        for row in table_with_signal(60, seed=7).rows
        for metric, scale in (("nima", 1.0), ("clip", 5.0))
    ]
    imported(stocked, ScoreTable.of(rows), "parts")
    trained(stocked, "parts", "both")
    same = stocked("router", "eval", "both", "--bench", "parts", "--split", "all")
    assert "scale" not in same.err
    own = [replace(row, metric="mixed", score=(row.score or 0.0) / 9) for row in rows[::2]]
    imported(stocked, ScoreTable.of([*rows, *own]), "theirs")
    other = stocked("router", "eval", "both", "--bench", "theirs")
    assert "are of another scale than router both's" in other.err
    imported(stocked, ScoreTable.of(own), "bare-mixed")
    assert "name no constants" in stocked("router", "eval", "both", "--bench", "bare-mixed").err


def test_the_digest_of_a_card_is_that_of_its_weights(stocked: Inside) -> None:
    row = stocked("router", "show", "good", "--json").document
    weights = next(Path(os.environ["CEMS_HOME"]).rglob("good.safetensors")).read_bytes()
    assert row["sha256"] == f"sha256:{hashlib.sha256(weights).hexdigest()}"
    assert row["training"]["table"] != row["sha256"]


def test_steps_and_rates_are_of_kinds_that_are_taught(stocked: Inside) -> None:
    asked = ("router", "train", "--bench", "signal", "--name", "quick")
    refused = stocked(*asked, "--kind", "ridge", "--epochs", "3")
    assert refused.code == 2
    assert "not taught in steps" in refused.err
    ran = stocked(*asked, "--kind", "transformer", "--epochs", "2", "--lr", "0.002")
    assert ran.code == 0, ran.err
    settings = stocked("router", "show", "quick", "--json").document["settings"]
    assert (settings["transformer_epochs"], settings["transformer_learning_rate"]) == (2, 0.002)


def test_what_a_router_is_worth_is_in_the_list_and_on_its_card(stocked: Inside) -> None:
    words = stocked("router", "show", "cems-clip", "--json").document["verdict_words"]
    assert words == "both"
    assert "better, cheaper" in stocked("router", "ls").out  # the same for people
    assert "verdict    beats the best single function" in stocked("router", "show", "cems-clip").out
    assert "; better, cheaper" in stocked("router", "show", "cems-clip").out


def test_a_router_of_other_weights_is_not_put_to_use(inside: Inside, tmp_path: Path) -> None:
    inside("router", "export", "starter", "--out", "s.zip")
    with zipfile.ZipFile("s.zip") as package:
        row, weights = json.loads(package.read("card.json")), package.read("weights.safetensors")
    row["functions"]["starter-base@20"]["weights"] = "sha256:another"
    with zipfile.ZipFile("s.zip", "w") as package:
        package.writestr("card.json", json.dumps(row))
        package.writestr("weights.safetensors", weights)
    assert inside("router", "import", "s.zip", "--name", "other").code == 0
    ran = inside("router", "use", "other")
    assert ran.code == 3
    assert "starter-base@20" in ran.err


def test_what_was_in_use_before_comes_back(stocked: Inside, tmp_path: Path) -> None:
    config = tmp_path / "home" / "config.toml"
    config.write_text("# mine\n[routing]\ntradeoff = 0.3  # cheap\n")
    assert stocked("router", "use", "good").code == 0
    assert stocked("router", "use", "luck", "--force").code == 0
    assert stocked("router", "rollback", "--json").document == {"router": "good", "before": "luck"}
    assert in_use(stocked) == "good"
    assert stocked("router", "rollback").code == 0
    assert in_use(stocked) == "starter"
    assert stocked("router", "rollback").code == 2
    assert "# mine" in config.read_text()
    assert "tradeoff = 0.3  # cheap" in config.read_text()


def test_a_router_that_is_gone_is_passed_over_on_the_way_back(stocked: Inside) -> None:
    stocked("router", "use", "good")
    stocked("router", "use", "luck", "--force")
    assert stocked("router", "rm", "good", "--yes").code == 0
    assert stocked("router", "rollback", "--json").document["router"] is None


def test_the_router_in_use_and_the_shipped_ones_are_not_removed(stocked: Inside) -> None:
    stocked("router", "use", "good")
    assert stocked("router", "rm", "good", "--yes").code == 2
    assert stocked("router", "rm", "starter", "--yes").code == 2
    assert stocked("router", "rm", "nobody", "--yes").code == 2
    assert stocked("router", "rm", "luck").code == 2  # nobody to ask
    assert "luck.safetensors" in stocked("router", "rm", "luck", "--dry-run").out
    assert stocked("router", "rm", "luck", "--yes").code == 0
    names = [row["router"] for row in stocked("router", "ls", "--json").document]
    assert names == ["cems-clip", "cems-mixed", "cems-nima", "good", "starter"]


def test_diff_prices_every_prompt_that_changes(stocked: Inside) -> None:
    swapped = {"cheap@1": "dear@20", "dear@20": "cheap@1"}
    rows = [
        replace(r, function=swapped.get(r.function, r.function))
        for r in table_with_signal(120).rows
    ]
    imported(stocked, ScoreTable.of(rows), "swapped")
    trained(stocked, "swapped", "near")
    imported(stocked, table_with_signal(50, seed=9, repeats=1), "fresh")
    found = stocked("router", "diff", "good", "near", "--bench", "fresh", "--json").document
    assert (found["a"], found["b"], found["prompts"]) == ("good", "near", 50)
    assert found["changed"] == len(found["changes"]) > 0
    cost = {"cheap@1": 1e-6, "dear@20": 1e-5, "odd@4": 4e-6}
    for one in found["changes"]:
        assert one["a"] != one["b"]
        assert one["cost_delta_usd"] == pytest.approx(cost[one["b"]] - cost[one["a"]])
        assert one["quality_delta"] == pytest.approx(one["quality_b"] - one["quality_a"])
    total = sum(one["quality_delta"] for one in found["changes"])
    assert found["quality_delta"] == pytest.approx(total / 50)
    same = stocked("router", "diff", "good", "good", "--bench", "fresh", "--json").document
    assert (same["changed"], same["quality_delta"], same["cost_delta_usd"]) == (0, 0.0, 0.0)
    cheap = stocked(
        "router", "diff", "good", "near", "--bench", "fresh", "--tradeoff", "0", "--json"
    )
    assert cheap.document["changed"] == 0


def test_a_router_travels_as_one_file(stocked: Inside) -> None:
    assert stocked("router", "export", "good", "--out", "good.zip").code == 0
    with zipfile.ZipFile("good.zip") as package:
        assert sorted(package.namelist()) == ["card.json", "weights.safetensors"]
    assert stocked("router", "import", "good.zip").code == 2  # the name is taken
    ran = stocked("router", "import", "good.zip", "--name", "friend", "--json")
    assert (ran.document["router"], ran.document["verdict"]) == ("friend", "beats best single")
    evals = [
        stocked("router", "eval", name, "--bench", "noise", "--split", "all", "--json")
        for name in ("good", "friend")
    ]
    assert [ran.code for ran in evals] == [2, 2]  # neither knows the functions of that table
    same = stocked("router", "diff", "good", "friend", "--bench", "signal", "--json").document
    assert same["changed"] == 0


def test_a_file_that_is_no_router_leaves_nothing_behind(stocked: Inside, tmp_path: Path) -> None:
    stocked("router", "export", "good", "--out", "good.zip")
    with zipfile.ZipFile("good.zip") as package:
        card, weights = package.read("card.json"), package.read("weights.safetensors")
    row = json.loads(card)
    escaping = json.dumps({**row, "name": "../../evil"}).encode()
    bad: dict[str, dict[str, bytes]] = {
        "three members": {"card.json": card, "weights.safetensors": weights, "run.py": b"x"},
        "one member": {"card.json": card},
        "a path": {"../card.json": card, "weights.safetensors": weights},
        "other weights": {"card.json": card, "weights.safetensors": weights[:-1] + b"\x00"},
        "no card": {"card.json": b"{}", "weights.safetensors": weights},
        "an escaping name": {"card.json": escaping, "weights.safetensors": weights},
        "a card nested without end": {
            "card.json": b"[" * 100_000,
            "weights.safetensors": weights,
        },
        "a figure without end": {
            "card.json": card.replace(b'"format": 2', b'"format": 1e999'),
            "weights.safetensors": weights,
        },
        "weights made to fill memory": {
            "card.json": card,
            "weights.safetensors": b"\0" * 200_000_000,
        },
    }
    for name, members in bad.items():
        with zipfile.ZipFile("bad.zip", "w", zipfile.ZIP_DEFLATED) as package:
            for member, data in members.items():
                package.writestr(member, data)
        ran = stocked("router", "import", "bad.zip", "--name", "evil")
        assert ran.code == 3, f"{name}: {ran.err}"
    Path("text.zip").write_text("no zip")
    assert stocked("router", "import", "text.zip").code == 3
    assert stocked("router", "import", "nowhere.zip").code == 2
    kept = sorted(file.name for file in (tmp_path / "home" / "routers").iterdir())
    assert kept == ["good.json", "good.safetensors", "luck.json", "luck.safetensors"]
    assert not list(tmp_path.rglob("evil*"))


def test_the_figures_of_an_imported_router_are_its_author_s(stocked: Inside) -> None:
    stocked("router", "export", "good", "--out", "good.zip")
    assert "as its author tells" not in stocked("router", "show", "good").out
    for name in ("friend", "friend-of-friend"):
        assert stocked("router", "import", "good.zip", "--name", name).code == 0
        assert stocked("router", "show", name).out.count("as its author tells") == 1
        stocked("router", "export", name, "--out", "good.zip")


def test_numbers_that_do_not_fit_the_card_are_not_taken_in(stocked: Inside) -> None:
    stocked("router", "export", "good", "--out", "good.zip")
    with zipfile.ZipFile("good.zip") as package:
        row = json.loads(package.read("card.json"))
        weights = package.read("weights.safetensors")
    row["training"]["prompts"] += 1
    with zipfile.ZipFile("bad.zip", "w") as package:
        package.writestr("card.json", json.dumps(row))
        package.writestr("weights.safetensors", weights)
    assert stocked("router", "import", "bad.zip", "--name", "new").code == 3
    assert stocked("router", "show", "new").code == 2


def test_calibrating_changes_the_unit_and_no_pick(stocked: Inside, tmp_path: Path) -> None:
    mine = [
        replace(row, score=None if row.score is None else 40.0 + 3.0 * row.score)
        for row in table_with_signal(60, seed=4).rows
    ]
    imported(stocked, ScoreTable.of(mine), "mine")
    before = stocked("router", "eval", "good", "--bench", "mine", "--json").document
    ran = stocked("router", "calibrate", "good", "--bench", "mine", "--json")
    assert ran.code == 0, ran.err
    assert ran.document["slope"] == pytest.approx(3.0, rel=0.25)
    assert ran.document["router"] == "good-calibrated"
    args = ("router", "diff", "good", "good-calibrated", "--bench", "signal", "--json")
    after = stocked("router", "eval", "good-calibrated", "--bench", "mine", "--json").document
    for key in ("shares", "area_recovered", "verdict", "top1"):
        assert after[key] == before[key]
    assert stocked(*args).document["changed"] == 0
    assert "to read as the user's instrument" in stocked("router", "show", "good-calibrated").out
    assert "to read as the user's instrument" not in stocked("router", "show", "good").out
    again = stocked("router", "calibrate", "good", "--bench", "mine", "--json").document
    assert again["slope"] == pytest.approx(ran.document["slope"])


def test_a_calibrated_router_takes_over_and_rollback_goes_back(stocked: Inside) -> None:
    mine = [
        replace(row, score=None if row.score is None else 40.0 + 3.0 * row.score)
        for row in table_with_signal(60, seed=4).rows
    ]
    imported(stocked, ScoreTable.of(mine), "mine")
    stocked("router", "use", "good", "--force")
    ran = stocked("router", "calibrate", "good", "--bench", "mine", "--name", "ours", "--json")
    assert (ran.document["router"], ran.document["in_use"]) == ("ours", True)
    assert stocked("router", "rollback", "-q").out.strip() == "good"
    assert stocked("router", "calibrate", "good", "--bench", "mine", "--name", "ours").code == 2


def test_scores_that_do_not_rise_with_the_router_s_cannot_be_its_scale(stocked: Inside) -> None:
    upside_down = [
        replace(row, score=None if row.score is None else -row.score)
        for row in table_with_signal(60, seed=4).rows
    ]
    imported(stocked, ScoreTable.of(upside_down), "down")
    ran = stocked("router", "calibrate", "good", "--bench", "down")
    assert ran.code == 2
    assert "do not rise" in ran.err


def test_retraining_starts_from_a_router_and_is_compared_with_it(stocked: Inside) -> None:
    own = table_with_signal(130, seed=8)
    cheap = [
        replace(row, score=(row.score or 0.0) + 1.5 * (row.function == "cheap@1"))
        for row in own.rows
    ]
    imported(stocked, ScoreTable.of(cheap), "own")
    assert stocked("router", "retrain", "good").code == 2  # imported scores are those of others
    first = stocked("router", "retrain", "good", "--from", "own", "--json")
    assert first.code == 0, first.err
    beside = first.document["against"]
    assert (beside["router"], beside["verdict"]) == ("good", "better")
    assert beside.keys() >= {"router", "quality", "cost", "interval"}
    assert first.document["learning_curve"][-1]["prompts"] <= 130
    more = first.document["more_prompts"]
    assert first.document["supply"] is None if not more else first.document["supply"]["prompts"]
    name = first.document["router"]
    assert name.startswith("good-20")
    stocked("router", "use", "good")
    used = stocked("router", "use", name)
    assert f"{name} is better than good by +" in used.out
    shown = stocked("router", "show", name)
    assert "good refined on" in shown.out
    assert "learned    from 30 prompts" in shown.out
    back = stocked("router", "use", "good", "--json")
    assert back.document["against"] is None  # no prompt of one's own tells


def test_a_router_worse_than_the_one_in_use_needs_to_be_forced(stocked: Inside) -> None:
    upside_down = [
        replace(row, score=10.0 - (row.score or 0.0)) for row in table_with_signal(120, seed=3).rows
    ]
    stocked("router", "use", "good")
    imported(stocked, ScoreTable.of(upside_down), "down")
    stocked("router", "train", "--bench", "down", "--kind", "ridge", "--name", "other")
    card = stocked("router", "show", "other", "--json").document
    assert card["evaluation"]["against"]["router"] == "good"
    assert card["evaluation"]["against"]["verdict"] == "better"  # on that table it is


@pytest.mark.parametrize("pairs", [0, 12])
def test_too_few_pairs_are_told_with_what_supplies_them(stocked: Inside, pairs: int) -> None:
    table = table_with_signal(60, seed=8)
    places = {name: place for place, name in enumerate(table.prompts)}
    rows = [row for row in table.rows if places[row.prompt_id] < pairs or row.function == "cheap@1"]
    imported(stocked, ScoreTable.of(rows), "few")
    ran = stocked("router", "retrain", "good", "--from", "few")
    assert ran.code == 2
    told = re.search(r"not enough pairs yet: (\d+) of about 120", ran.err)
    assert told is not None, ran.err
    assert int(told[1]) <= pairs  # those that the router was trained on are left out
    assert int(told[1]) >= pairs / 2
    assert "--from B" in ran.err
    assert "bug" not in ran.err


@pytest.mark.parametrize("kind", ["ensemble", "clusters"])
@pytest.mark.parametrize(
    ("case", "code", "word"),
    [
        ("one function", 2, "1 function"),
        ("one prompt", 2, "1 prompt is too few"),
        ("one score of a function", 2, "scores of 1 prompt"),
        ("too large", 2, "too large"),
        ("all equal", 0, ""),
        ("blanks in names", 0, ""),
    ],
)
def test_a_table_that_nothing_can_be_learned_from_gets_a_clear_word(
    inside: Inside, kind: str, case: str, code: int, word: str
) -> None:
    rows = list(table_with_signal(40, repeats=1).rows)
    first = rows[0].prompt_id
    table = {
        "one function": [row for row in rows if row.function == "odd@4"],
        "one prompt": [row for row in rows if row.prompt_id == first],
        "one score of a function": [
            row for row in rows if row.function != "odd@4" or row.prompt_id == first
        ],
        "too large": [replace(row, score=1e30) for row in rows],
        "all equal": [replace(row, score=1.0) for row in rows],
        "blanks in names": [replace(row, function=f" {row.function} x ") for row in rows],
    }[case]
    imported(inside, ScoreTable.of(table), "bad")
    ran = inside("router", "train", "--bench", "bad", "--kind", kind, "--name", "r")
    assert ran.code == code, ran.err
    assert word in ran.err
    assert "bug" not in ran.err


def test_there_is_nothing_to_retrain_from_in_an_empty_home(inside: Inside) -> None:
    ran = inside("router", "retrain")
    assert ran.code == 2
    assert "score of one's own" in ran.err
