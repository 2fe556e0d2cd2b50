"""Rebound keys are followed, or refused with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from screens.keymap import problems
from tests.cli.cems import cems


def test_the_keys_the_app_comes_with_conflict_with_nothing() -> None:
    assert problems({}) == []


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"studio.generate": "ctrl+s"}, "terminals keep it"),
        ({"studio.generate": "ctrl+q"}, "ctrl+q is the key of"),
        ({"studio.generat": "f2"}, "did you mean studio.generate?"),
        ({"models.pause": "x"}, "x is the key of models.pause and models.cancel"),
        ({"models.recommended": "f1"}, "f1 is the key of"),
    ],
)
def test_a_key_that_cannot_be_is_told(keys: dict[str, str], told: str) -> None:
    assert any(told in problem for problem in problems(keys))


def test_two_screens_may_use_the_same_letter() -> None:
    assert problems({"models.delete": "w", "studio.retry": "p"}) == []


def test_config_validate_reports_conflicts_of_keys(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "config.toml").write_text('[keys]\n"studio.generate" = "ctrl+q"\n')
    ran = cems("config", "validate", home=home)
    assert ran.code == 2
    assert "ctrl+q is the key of" in ran.err
    (home / "config.toml").write_text('[keys]\n"studio.generate" = "f2"\n')
    assert cems("config", "validate", home=home).code == 0
