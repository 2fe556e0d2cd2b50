"""What a function cannot follow: in the card, in auto, pinned, in a file, before any work."""

from __future__ import annotations

import json
import random
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.cli.cems import Ran, cems
from tests.cli.inside import Inside, inside

__all__ = ["inside"]

CAR = "a red car"
WITHOUT_GUIDANCE = {"starter-turbo@1", "starter-amused@12"}
FIGURES = (
    "cost_usd",
    "load_cost_usd",
    "seconds",
    "memory_bytes",
    "load_seconds",
    "quality",
    "interval",
    "utility",
    "fits",
    "allowed",
    "blocked_by",
    "blocked_kind",
    "rank",
)
THREE = (["route"], ["generate", "--dry-run"], ["generate"])
"""The commands that refuse the same request with the same words."""


def candidates(ran: Ran) -> dict[str, dict[str, Any]]:
    return {one["function"]: one for one in ran.lines[0]["candidates"]}


def test_who_cannot_follow_a_negative_prompt_stays_in_the_card_and_is_not_picked(
    inside: Inside,
) -> None:
    for dial in ("0", "0.5", "1"):
        ran = inside("route", CAR, "--negative", "tree", "--tradeoff", dial, "--json")
        assert ran.code == 0, ran.err
        found = candidates(ran)
        blocked = {name for name, one in found.items() if not one["allowed"]}
        assert blocked == WITHOUT_GUIDANCE
        for name in blocked:
            assert found[name]["blocked_kind"] == "negative"
            assert "negative prompt" in found[name]["blocked_by"]
            assert found[name]["cost_usd"] > 0
        assert ran.lines[0]["choice"] in set(found) - blocked
    assert all(one["blocked_by"] is None for n, one in found.items() if n not in blocked)


def test_the_card_says_it_in_words(inside: Inside) -> None:
    ran = inside("route", CAR, "--negative", "tree")
    row = next(line for line in ran.out.splitlines() if "starter-turbo@1" in line)
    assert "no negative" in row
    assert "cannot follow a negative prompt" in ran.err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--function", "starter-turbo@1", "--negative", "tree"], "follow a negative prompt"),
        (["--function", "starter-base@4", "--size", "60x64"], "multiples of 8, such as 64x64"),
        (["--function", "starter-amused@12", "--size", "72x64"], "multiples of 32, such as 64x64"),
    ],
)
def test_a_pinned_function_that_cannot_follow_is_refused_alike_before_any_work(
    inside: Inside, options: list[str], says: str
) -> None:
    told = [inside(*command, CAR, *options) for command in THREE]
    assert [ran.code for ran in told] == [2, 2, 2]
    assert len({ran.err for ran in told}) == 1
    assert says in told[0].err
    assert " hint: " in told[0].err
    assert all(ran.out == "" for ran in told)


def test_when_nothing_can_follow_route_says_so_and_generate_refuses(inside: Inside) -> None:
    route = inside("route", CAR, "--size", "65x64", "--json")
    assert route.code == 0, route.err
    assert route.lines[0]["choice"] is None
    assert "no function can follow the request" in route.lines[0]["reason"]
    assert {one["blocked_kind"] for one in candidates(route).values()} == {"size"}
    for command in THREE[1:]:
        ran = inside(*command, CAR, "--size", "65x64")
        assert ran.code == 2
        assert "no function can follow the request" in ran.err


def test_the_pool_is_what_must_follow(inside: Inside) -> None:
    ran = inside("generate", "--dry-run", CAR, "--negative", "x", "--pool", "starter-turbo@1")
    assert ran.code == 2
    assert "starter-turbo@1 cannot follow a negative prompt" in ran.err


def test_a_line_of_a_file_that_cannot_be_followed_refuses_the_whole_file(
    inside: Inside, tmp_path: Path
) -> None:
    lines: list[dict[str, Any]] = [
        {"prompt": CAR, "size": "64x64", "negative": "tree"},
        {"prompt": CAR, "function": "starter-turbo@1", "negative": "tree"},
    ]
    file = tmp_path / "prompts.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    for command in THREE:
        ran = inside(*command, "-f", file)
        assert ran.code == 2
        assert ran.out == ""
        assert "line 2: starter-turbo@1 cannot follow a negative prompt" in ran.err
    with sqlite3.connect(tmp_path / "home" / "cems.db") as database:
        assert database.execute("SELECT count(*) FROM generations").fetchone() == (0,)


def test_a_file_may_ask_of_each_prompt_what_another_function_follows(
    inside: Inside, tmp_path: Path
) -> None:
    file = tmp_path / "prompts.jsonl"
    lines = [{"prompt": CAR, "negative": "tree"}, {"prompt": CAR}]
    file.write_text("\n".join(map(json.dumps, lines)))
    first, second = inside("route", "-f", file, "--tradeoff", "0", "--json").lines
    assert first["choice"] not in WITHOUT_GUIDANCE
    assert second["choice"] == "starter-turbo@1"


def test_a_picture_too_big_for_the_device_is_told_with_its_numbers_before_loading(
    inside: Inside,
) -> None:
    huge = ("--size", "8192x8192")
    ran = inside("route", CAR, *huge, "--json")
    assert (ran.code, ran.lines[0]["choice"]) == (0, None)
    for one in candidates(ran).values():
        assert (one["fits"], one["allowed"], one["blocked_kind"]) == (False, False, "memory")
        assert "too big for this machine at 8192x8192" in one["blocked_by"]
        assert "GB" in one["blocked_by"]
    assert [inside(*command, CAR, *huge).code for command in THREE] == [0, 5, 5]
    told = [inside(*command, CAR, *huge, "--function", "starter-base@4") for command in THREE]
    assert [ran.code for ran in told] == [5, 5, 5]
    assert all("starter-base@4 is too big for this machine" in ran.err for ran in told)


def test_weights_beyond_what_they_may_hold_are_never_picked(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CEMS_DEVICE_BUDGET_MB", "10")
    for dial in ("0", "0.5", "1"):
        found = inside("route", CAR, "--tradeoff", dial, "--json").lines[0]
        fits = {one["function"]: one["fits"] for one in found["candidates"]}
        assert fits["starter-base@20"] is False
        assert fits["starter-small@4"] is True
        assert fits[found["choice"]] is True
    assert inside("route", CAR, "--function", "starter-base@20").code == 5


def test_several_pictures_of_a_prompt_share_the_price_of_a_load(inside: Inside) -> None:
    for count in ("1", "4"):
        ran = inside("route", CAR, "-n", count, "--load-cost", "on", "--lambda", "1e5", "--json")
        decision = ran.lines[0]
        assert decision["load_share"] == 1 / int(count)
        for one in decision["candidates"]:
            if one["utility"] is not None:
                price = one["cost_usd"] + one["load_cost_usd"] / int(count)
                assert one["utility"] == pytest.approx(one["quality"] - 1e5 * price)
    assert inside("route", CAR, "-n", "2", "--json").lines[0]["load_share"] == 0.5
    assert inside("route", CAR, "--json").lines[0]["load_share"] is None


def any_request(chance: random.Random) -> list[str]:
    """Options that `route` and `generate` share."""
    given: list[str] = []
    if chance.random() < 0.5:
        given += ["--size", chance.choice(("64x64", "128x64", "96x96", "512x512", "72x64"))]
    if chance.random() < 0.4:
        given += ["--negative", chance.choice(("tree", "  ", "a dog, blurry"))]
    if chance.random() < 0.5:
        given += ["-n", str(chance.randint(1, 4))]
    if chance.random() < 0.3:
        given += ["--load-cost", chance.choice(("on", "off"))]
    if chance.random() < 0.3:
        given += ["--pool", chance.choice(("starter-base@4,starter-base@20", "starter-small@8"))]
    policy = chance.choice(("none", "--tradeoff", "--lambda", "--floor", "--tolerance"))
    if policy != "none":
        given += [policy, f"{chance.random():.3f}"]
    return given


@pytest.mark.parametrize("seed", range(8))
def test_a_dry_run_and_a_route_agree_on_every_figure_of_the_same_request(
    inside: Inside, seed: int
) -> None:
    chance = random.Random(seed)
    prompt = chance.choice((CAR, "two small dogs under a tree", "sunset over Paris"))
    given = any_request(chance)
    route = inside("route", prompt, *given, "--json")
    dry = inside("generate", "--dry-run", prompt, *given, "--json")
    assert route.code == 0, (given, route.err)
    if dry.code:
        assert (dry.code, route.lines[0]["choice"]) == (2, None), (given, dry.err)
        return
    count = int(given[given.index("-n") + 1]) if "-n" in given else 1
    assert len(dry.lines) == count
    for told in dry.lines:
        for key in ("choice", "reason", "policy", "router", "load_share", "notes"):
            assert told[key] == route.lines[0][key], (given, key)
        for ours, theirs in zip(told["candidates"], route.lines[0]["candidates"], strict=True):
            assert {key: ours[key] for key in FIGURES} == {key: theirs[key] for key in FIGURES}


@pytest.mark.slow
def test_a_negative_prompt_with_auto_is_drawn_by_a_function_that_follows_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    ran = cems(
        "generate", CAR, "--negative", "tree", "--seed", "1", "--no-score", "--json", home=home
    )
    assert ran.code == 0, ran.err
    made = ran.lines[0]
    assert made["guidance"] > 1
    assert made["negative"] == "tree"
    told = {one["function"]: one["blocked_by"] for one in made["decision"]["candidates"]}
    assert {name for name, words in told.items() if words} == WITHOUT_GUIDANCE
    receipt = cems("why", made["image"], "--json", home=home).document
    kept = {one["function"]: one["blocked_by"] for one in receipt["decision"]["candidates"]}
    assert kept == told
    shown = cems("history", "show", made["id"], "--json", home=home).document
    assert {one["function"]: one["blocked_by"] for one in shown["decision"]["candidates"]} == told
