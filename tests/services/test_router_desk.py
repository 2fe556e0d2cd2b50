"""The routers as the app shows them: every figure is the command's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cems_tui.errors import CemsError, UsageError
from cems_tui.profile import Profile
from cems_tui.services.app.router_desk import (
    Estimate,
    Learning,
    RouterDesk,
    RouterFacts,
    facts_of,
)
from tests.cli.inside import Inside, inside

__all__ = ["inside"]


@pytest.fixture
def desk(inside: Inside) -> RouterDesk:
    return Profile.current().router_desk()


def by_name(desk: RouterDesk) -> dict[str, RouterFacts]:
    return {facts.key: facts for facts in desk.facts()}


def test_every_figure_is_the_commands(desk: RouterDesk, inside: Inside) -> None:
    listed = json.loads(inside("router", "ls", "--json").out)
    found = by_name(desk)
    assert [row["router"] for row in listed] == list(found)
    for row in listed:
        facts = found[row["router"]]
        assert row["verdict_words"] == facts.verdict_words
        assert row["in_use"] is facts.asked
        assert row["prompts"] == facts.card.training.prompts
        told = json.loads(inside("router", "show", row["router"], "--json").out)
        figures = told["evaluation"]
        assert told["refusal"] == facts.refusal
        for name, figure in (
            ("area_recovered", facts.recovered),
            ("quality_vs_best_single", facts.against_single),
        ):
            assert figure is not None
            assert [figure.low, figure.high] == figures[name]["ci95"]
            assert figure.value == figures[name]["value"]
        assert [list(point) for point in facts.curve.router] == [
            [one["cost_usd"], one["quality"]] for one in figures["curve"]
        ]
        assert facts.best_single == figures["best_single"]


def test_the_dial_walks_the_curve_from_the_cheapest_to_the_best(desk: RouterDesk) -> None:
    for facts in desk.facts():
        places = [facts.curve.at(step / 20) for step in range(21)]
        assert None not in places
        walked = [place for place in places if place is not None]
        assert walked == sorted(walked)
        assert [quality for _, quality in walked] == sorted(quality for _, quality in walked)
        assert walked[0][0] == pytest.approx(min(cost for cost, _ in facts.curve.singles.values()))
        cheapest, dearest = walked[0][0], facts.curve.router[0][0]
        for step, (cost, _) in enumerate(walked):
            assert cost <= cheapest + step / 20 * (dearest - cheapest) + 1e-15


def test_a_card_without_figures_says_nothing_of_a_curve(desk: RouterDesk) -> None:
    card = replace(desk.facts()[0].card, evaluation={})
    facts = facts_of(card, asked=False, shipped=False, installed=0)
    assert facts.curve.at(0.5) is None
    assert (facts.recovered, facts.against_single, facts.curve.oracle) == (None, None, None)
    assert facts.verdict == "not evaluated"
    assert facts.refusal is not None


def test_what_it_tells_of_a_benchmark_is_what_the_commands_tell(
    desk: RouterDesk, inside: Inside, tmp_path: Path
) -> None:
    rows = ["prompt_id,prompt,function,metric,score,cost_usd"]
    for number in range(40):
        prompt = f"{number} {('a cat', 'many red cars at night')[number % 2]}"
        for place, name in enumerate(("sdxl-turbo@4", "sd-turbo@1", "sd-taesd@25")):
            score = 30 + place * (1 + number % 2) + number % 7 / 10
            rows.append(f"{number},{prompt},{name},clip,{score},{(place + 1) * 1e-6}")
    table = tmp_path / "scores.csv"
    table.write_text("\n".join(rows))
    assert inside("bench", "import", str(table), "--name", "mine").code == 0
    assert desk.benches() == ("mine",)
    told = inside("router", "eval", "cems-clip", "--bench", "mine", "--json").document
    found = desk.evaluate("cems-clip", "mine")
    assert {**found, "latency_ms": None} == {**told, "latency_ms": None}


def test_one_is_used_and_taken_back(desk: RouterDesk) -> None:
    before = next(facts.key for facts in desk.facts() if facts.asked)
    other = next(name for name in by_name(desk) if name != before)
    assert desk.use(other, force=True).after == other
    assert by_name(desk)[other].asked
    assert desk.rollback().before == other
    assert by_name(desk)[before].asked
    with pytest.raises(UsageError, match="no other router"):
        desk.rollback()


def test_what_there_is_to_learn_from_and_what_is_missing_is_what_the_command_tells(
    desk: RouterDesk, inside: Inside
) -> None:
    told = inside("router", "retrain", "starter", "--dry-run", "--json").document
    assert desk.prospect("starter") == told
    assert (told["router"], told["pairs"], told["missing"]) == ("starter", 0, told["needed"])
    assert not told["enough"]
    supply = told["supply"]
    assert supply["prompts"] == told["missing"]
    assert supply["bill"]["pictures"] == told["missing"] * len(supply["functions"])
    assert (
        f"{supply['prompts']} prompts more with"
        in inside("router", "retrain", "starter", "--dry-run").out
    )


def test_a_bill_that_cannot_be_told_says_why(desk: RouterDesk) -> None:
    with pytest.raises(CemsError) as refused:
        desk.bench_bill(["--name", "own", "--prompts", "history"])
    assert refused.value.hint


def test_how_a_retrained_router_came_out_is_read_off_its_card() -> None:
    figures = {
        "against": {
            "router": "starter", "metric": "mixed", "quality": 0.012, "cost": None,
            "interval": [-0.01, 0.03], "prompts": 130, "verdict": "ties",
        },
        "learning_curve": [{"prompts": 30, "quality": 0.004, "interval": [-0.03, 0.04]}],
        "more_prompts": 340,
    }  # fmt: skip
    learning = Learning.of(figures)
    assert learning is not None
    assert learning.beside is not None
    assert "ties with starter" in learning.beside
    assert learning.curve == ((30, Estimate(0.004, -0.03, 0.04)),)
    assert learning.more_prompts == 340
    assert Learning.of({}) is None
