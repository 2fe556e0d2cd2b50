"""`cems config get|set`: one setting, checked, and the file as its user wrote it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cems_tui.settings import SETTINGS
from tests.cli.inside import Inside, inside

__all__ = ["inside"]

WRITTEN = """# my own settings
[routing]
tradeoff = 0.9  # quality first

[keys]
"studio.generate" = "f2"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """config.toml of the test's home, with comments."""
    (tmp_path / "home").mkdir()
    file = tmp_path / "home" / "config.toml"
    file.write_text(WRITTEN)
    return file


def test_a_setting_that_is_set_is_got_and_comments_stay(inside: Inside, config: Path) -> None:
    ran = inside("config", "set", "routing.tradeoff", "0.25")
    assert (ran.code, ran.out) == (0, ""), ran.err
    assert inside("config", "get", "routing.tradeoff").out == "0.25\n"
    assert config.read_text() == WRITTEN.replace("0.9", "0.25")
    told = inside("config", "get", "routing.tradeoff", "--json").document
    assert (told["value"], told["source"]) == (0.25, "file")


@pytest.mark.parametrize(
    ("name", "value", "printed"),
    [
        ("pricing.currency", "EUR", "EUR"),
        ("generation.score", "false", "false"),
        ("device.leave_gb", "2", "2"),
        ("quality.metrics", "nima,clip", "nima,clip"),
        ("generation.pictures", "~/my pictures", "~/my pictures"),
        ("generation.pictures", "0.5", "0.5"),
        ("routing.router", "starter", "starter"),
    ],
)
def test_each_kind_of_value_is_written_as_what_it_is(
    inside: Inside, config: Path, name: str, value: str, printed: str
) -> None:
    assert inside("config", "set", name, value).code == 0
    assert inside("config", "get", name).out == f"{printed}\n"
    assert inside("config", "validate").code == 0


def test_a_router_there_is_none_of_is_not_asked_for(inside: Inside, config: Path) -> None:
    before = config.read_bytes()
    ran = inside("config", "set", "routing.router", "nonesuch")
    assert ran.code == 2
    assert "no router named 'nonesuch'" in ran.err
    assert config.read_bytes() == before


def test_the_default_holds_again_when_it_is_asked_for(inside: Inside, config: Path) -> None:
    assert inside("config", "set", "routing.tradeoff", "--default").code == 0
    assert inside("config", "get", "routing.tradeoff", "--json").document["source"] == "default"
    assert "# my own settings" in config.read_text()


def test_a_key_of_the_app_is_set_like_a_setting(inside: Inside, config: Path) -> None:
    assert inside("config", "set", "keys.studio.generate", "f12").code == 0
    assert '"studio.generate" = "f12"' in config.read_text()
    assert inside("config", "validate").code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("routing.tradeoff", "2"),
        ("routing.tradeoff", "much"),
        ("routing.tradeoff", "nan"),
        ("routing.tradeoff", "true"),
        ("generation.score", "yes"),
        ("app.image", "ascii"),
        ("routing.tradoff", "0.5"),
        ("nothing", "1"),
        ("keys.studio.generate", "ctrl+s"),
        ("keys.no.such", "f9"),
        ("routing.tradeoff",),
        ("routing.tradeoff", "0.5", "--default"),
    ],
)
def test_what_cannot_be_followed_is_refused_and_nothing_is_written(
    inside: Inside, config: Path, arguments: tuple[str, ...]
) -> None:
    ran = inside("config", "set", *arguments)
    assert ran.code == 2
    assert ran.err.startswith("error: ")
    assert config.read_text() == WRITTEN


def test_a_first_setting_makes_the_file(inside: Inside, tmp_path: Path) -> None:
    assert inside("config", "set", "routing.tradeoff", "0.1").code == 0
    assert "tradeoff = 0.1" in (tmp_path / "home" / "config.toml").read_text()


def test_show_writes_values_as_the_file_would(inside: Inside) -> None:
    shown = inside("config", "show").out
    assert '"USD"' in shown
    assert "true" in shown
    assert "True" not in shown
    assert all(setting.name in shown for setting in SETTINGS)
    assert len(json.loads(inside("config", "show", "--json").out)) == len(SETTINGS)
