"""The command line's own pieces: arguments, options, failures, sizes."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field, fields
from inspect import signature
from pathlib import Path
from typing import Annotated

import pytest
import typer

from cems_tui.bench.prompts import PromptLine, parsed_size
from cems_tui.cli.commands.generate import DrawingOptions, check_tries, generate
from cems_tui.cli.commands.queue.add import add
from cems_tui.cli.commands.route import route
from cems_tui.cli.failures import failure_of
from cems_tui.cli.main import normalised
from cems_tui.cli.options import RoutingOptions, TriesOptions, with_groups
from cems_tui.domain.decision import Policy
from cems_tui.errors import DeviceBusy, UnknownName, UsageError
from cems_tui.settings import Settings
from cems_tui.views.figures import DOLLARS, Money, times
from cems_tui.views.price_card import why
from tests.store.records import candidate, decision


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (["generate", "--wait", "a cat"], ["generate", "--wait=inf", "a cat"]),
        (["generate", "--wait", "5", "a cat"], ["generate", "--wait=5", "a cat"]),
        (["generate", "a cat", "--wait"], ["generate", "a cat", "--wait=inf"]),
        (["generate", "--wait=2", "a cat"], ["generate", "--wait=2", "a cat"]),
        (["generate", "--", "--wait"], ["generate", "--", "--wait"]),
    ],
)
def test_wait_may_stand_without_a_number(given: list[str], read: list[str]) -> None:
    assert normalised(given) == read


@pytest.mark.parametrize("size", ["64", "64x", "x64", "0x64", "64x9000", "64x64x64", "-1x4", "a"])
def test_a_size_that_cannot_be_drawn_is_refused(size: str) -> None:
    with pytest.raises(UsageError):
        parsed_size(size)


def test_a_size_is_width_by_height() -> None:
    assert parsed_size("64x32") == parsed_size("64 × 32") == (64, 32)
    assert parsed_size(None) == (None, None)


@pytest.mark.parametrize(
    "options",
    [
        {"tradeoff": 0.5, "floor": 1.0},
        {"balanced": True, "tradeoff": 0.5},
        {"balanced": True, "tolerance": 0.5},
        {"tradeoff": -0.1},
        {"tradeoff": float("nan")},
        {"budget_per_image": -1.0},
        {"budget_per_image": float("inf")},
        {"tolerance": -1.0},
        {"lambda_": -1.0},
        {"floor": float("inf")},
    ],
)
def test_options_that_cannot_be_followed_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        RoutingOptions(**options).checked()  # type: ignore[arg-type]


def test_nothing_said_is_balanced_and_a_number_in_the_settings_is_that_place() -> None:
    line = PromptLine(prompt="a cat")
    assert RoutingOptions().policy(Settings(), line) == (Policy.balanced(), False)
    assert RoutingOptions(balanced=True).policy(Settings(), line) == (Policy.balanced(), True)
    fixed = Settings.of({"routing": {"tradeoff": 0.3}})
    assert RoutingOptions().policy(fixed, line) == (Policy.tradeoff(0.3), False)
    assert RoutingOptions(balanced=True).policy(fixed, line) == (Policy.balanced(), True)
    own = PromptLine(prompt="a cat", tradeoff=0.9)
    assert RoutingOptions(balanced=True).policy(fixed, own) == (Policy.tradeoff(0.9), True)


def drawing(seed: int) -> DrawingOptions:
    return DrawingOptions(seed)


@pytest.mark.parametrize("seed", [-1, 0, 693194942663826797, 2**64 - 1])
def test_a_seed_has_64_bits_or_is_any(seed: int) -> None:
    assert drawing(seed).checked().seed == seed


@pytest.mark.parametrize("seed", [-2, 2**64])
def test_a_seed_beyond_64_bits_is_refused(seed: int) -> None:
    with pytest.raises(UsageError, match="out of range"):
        drawing(seed).checked()


def test_a_pool_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError):
        RoutingOptions(pool=" , ").pool_names()
    assert RoutingOptions(pool="a@1, b@2,a@1").pool_names() == ("a@1", "b@2")


def test_an_unknown_name_suggests_near_ones() -> None:
    error = UnknownName.of("function", "starter-bass@20", ["starter-base@20", "sd-turbo@1"])
    assert error.exit_code == 2
    assert "starter-base@20" in error.hint


def test_a_failure_says_what_it_means() -> None:
    assert failure_of(DeviceBusy("held"), interrupted=False).exit_code == 7
    assert failure_of(KeyboardInterrupt(), interrupted=True).exit_code == 130
    assert failure_of(RuntimeError("torn import"), interrupted=True).exit_code == 130
    assert failure_of(RuntimeError("x" * 1000), interrupted=False).exit_code == 1
    assert len(failure_of(RuntimeError("x" * 1000), interrupted=False).message) <= 300
    denied = failure_of(
        PermissionError(errno.EACCES, "Permission denied", "a/b"), interrupted=False
    )
    assert (denied.exit_code, denied.message) == (8, "cannot use a/b: Permission denied")


def test_money_is_unknown_estimated_or_measured_and_looks_so() -> None:
    assert DOLLARS.per_thousand(None, estimated=True) == "—"
    assert DOLLARS.per_thousand(0.0001, estimated=True) == "~$0.100/k"
    assert DOLLARS.per_thousand_words(0.0001) == "$0.100 per 1,000"
    assert Money("EUR", 0.9).per_thousand(0.0001) == "€0.0900/k"
    assert Money("SEK", 10.0).per_thousand_words(0.0001) == "SEK 1.00 per 1,000"
    assert (DOLLARS.total(0.0000123), DOLLARS.total(-2.5)) == ("$0.0000123", "−$2.50")
    assert (DOLLARS.unit, Money("EUR", 1.0).unit, Money("SEK", 1.0).unit) == ("$/k", "€/k", "SEK/k")


def test_an_unknown_stage_of_the_recipe_is_refused(tmp_path: Path) -> None:
    from cems_tui.starter.recipe.training.build import Build
    from cems_tui.starter.recipe.training.recipe import Recipe

    with pytest.raises(UnknownName, match="no stage named 'decodr'"):
        Build(tmp_path / "work", tmp_path / "out", Recipe(), print).run(["decodr"])


def test_the_card_compares_the_prices_that_the_policy_compared() -> None:
    dear = candidate("starter-turbo@1", rank=2, cost_usd=2e-6, load_cost_usd=6e-6)
    for share, ratio in ((None, 2.0), (0.5, 5.0), (1.0, 8.0)):
        said = decision(
            candidates=(candidate(cost_usd=1e-6, load_cost_usd=0.0), dear), load_share=share
        )
        assert why(dear, said).endswith(f"{times(ratio)} dear")


@dataclass(frozen=True, slots=True)
class Crayons:
    colour: Annotated[str, typer.Option(help="Which.")] = "red"

    def checked(self) -> Crayons:
        if not self.colour:
            raise UsageError("a crayon has no colour", "Name one.")
        return self


@dataclass(frozen=True, slots=True)
class Box:
    crayons: Crayons = field(default_factory=Crayons)
    lid: Annotated[bool, typer.Option("--lid", help="Closed.")] = False

    def checked(self) -> Box:
        self.crayons.checked()
        return self


def test_a_group_is_the_options_of_its_fields_in_its_place_and_arrives_checked() -> None:
    def draw(*, paper: str = "white", box: Box, fast: bool = False) -> tuple[str, Box, bool]:
        """Draw."""
        return paper, box, fast

    command = with_groups(draw)
    assert list(signature(command).parameters) == ["paper", "colour", "lid", "fast"]
    assert command.__doc__ == "Draw."
    made = command(paper="grey", colour="blue", lid=True, fast=False)
    assert made == ("grey", Box(Crayons("blue"), True), False)
    with pytest.raises(UsageError, match="no colour"):
        command(paper="grey", colour="", lid=True, fast=False)


def test_the_commands_that_choose_have_the_same_options_to_choose_with() -> None:
    wanted = [one.name for one in fields(RoutingOptions)]
    for command in (generate, route, add):
        names = list(signature(command).parameters)
        start = names.index("function")
        assert names[start : start + len(wanted)] == wanted


@pytest.mark.parametrize("given", ["0", "1", "65", "many", "²", "-3"])
def test_a_number_of_tries_is_two_or_more_or_left_to_the_budget(given: str) -> None:
    with pytest.raises(UsageError, match="no number of tries"):
        TriesOptions(best_of=given).checked()
    assert TriesOptions(best_of="2").checked().tries() == 2
    assert TriesOptions(best_of="auto").checked().tries() is None


@pytest.mark.parametrize(
    ("tries", "choice", "drawing", "session_budget", "why"),
    [
        (TriesOptions(True, "3"), RoutingOptions(), DrawingOptions(), None, "best-of"),
        (TriesOptions(True), RoutingOptions(), DrawingOptions(no_score=True), None, "no-score"),
        (TriesOptions(True), RoutingOptions(function="a@1"), DrawingOptions(), None, "functions"),
        (TriesOptions(False, "3"), RoutingOptions(), DrawingOptions(), 1.0, "session-budget"),
        (TriesOptions(False, "auto"), RoutingOptions(), DrawingOptions(), None, "no budget"),
    ],
)
def test_tries_go_by_scores_and_a_budget_of_their_own(
    tries: TriesOptions,
    choice: RoutingOptions,
    drawing: DrawingOptions,
    session_budget: float | None,
    why: str,
) -> None:
    with pytest.raises(UsageError, match=why):
        check_tries(tries.checked(), choice, drawing, session_budget, None)


def test_tries_are_not_held_to_watt_hours() -> None:
    with pytest.raises(UsageError, match="session-energy"):
        check_tries(TriesOptions(True), RoutingOptions(), DrawingOptions(), None, 1.0)
