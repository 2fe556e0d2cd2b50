"""A profile composes every part of one's own folders and settings, and of nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from cems_tui.errors import ConfigError
from cems_tui.models.ledger import Entry, Ledger
from cems_tui.paths import Paths
from cems_tui.profile import Profile
from cems_tui.settings import Settings


def home(root: Path, config: str | None = None) -> Paths:
    here = Paths(data=root, cache=root / "cache", config=root, state=root / "state")
    if config is not None:
        root.mkdir(parents=True, exist_ok=True)
        here.config_file.write_text(config)
    return here


def test_what_needs_no_setting_works_beside_a_file_that_cannot_be_followed(tmp_path: Path) -> None:
    profile = Profile(home(tmp_path, "[routing]\ntradeoff = 7\n"))
    with profile.history() as store:
        assert store.generations() == []
    assert profile.shelf().named("starter").name == "starter"
    with pytest.raises(ConfigError, match=r"routing\.tradeoff"):
        _ = profile.settings


def test_a_forgiving_profile_follows_what_can_be_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CEMS_HOME", str(tmp_path))
    text = "[routing]\ntradeoff = 7\nrouter = 'mine'\n[app]\ntheme = 'light'\ncolour = 3\n[odd]\n"
    (tmp_path / "config.toml").write_text(text)
    profile = Profile.forgiving()
    assert profile.settings.routing.tradeoff == "balanced"
    assert profile.settings.routing.router == "mine"
    assert profile.settings.app.theme == "light"
    assert profile.routers.in_use() == "mine"
    assert len(profile.config_problems) == 3
    with pytest.raises(ConfigError, match=r"routing\.tradeoff"):
        Profile.current().routers.in_use()


@pytest.mark.parametrize("text", ["no toml [", "routing = 3\n", "[keys]\n'app.help' = 3\n"])
def test_whatever_the_file_holds_the_defaults_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("CEMS_HOME", str(tmp_path))
    (tmp_path / "config.toml").write_text(text)
    profile = Profile.forgiving()
    assert profile.settings == Settings()
    assert len(profile.config_problems) == 1


def test_two_profiles_of_one_process_share_nothing(tmp_path: Path) -> None:
    mine, other = Profile(home(tmp_path / "mine")), Profile(home(tmp_path / "other"))
    before = other.catalog_stamp()
    Ledger.read(mine.paths.models).write(Entry("tiny", "org/Tiny", "0" * 40, ()))
    assert "tiny" in mine.models.ledger().entries
    assert "tiny" not in other.models.ledger().entries
    assert mine.catalog_stamp() != before == other.catalog_stamp()


def test_the_settings_that_are_handed_in_count_and_the_file_does_not(tmp_path: Path) -> None:
    here = home(tmp_path, '[generation]\npictures = "/elsewhere"\n')
    assert Profile(here).pictures == Path("/elsewhere")
    assert Profile(here, Settings()).pictures == here.pictures
