"""config.toml is followed, or refused with the reason; never half ignored."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cems_tui import paths
from cems_tui.domain.pricing import CEMS_USD_PER_GB_SECOND
from cems_tui.errors import ConfigError, UsageError
from cems_tui.profile import Profile
from cems_tui.scoring.instruments import METRICS, instruments_of, ranges_of
from cems_tui.settings import (
    SETTINGS,
    Settings,
    environment_problems,
    load,
    problems,
    write_setting,
)


def _file(folder: Path, text: str | bytes) -> Path:
    file = folder / "config.toml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def test_without_a_file_every_setting_has_its_default(tmp_path: Path) -> None:
    settings = load(tmp_path / "config.toml")
    assert all(setting.value(settings) == setting.default for setting in SETTINGS)
    assert {setting.source(settings) for setting in SETTINGS} == {"default"}


def test_every_default_passes_its_own_check() -> None:
    assert [s.name for s in SETTINGS if s.check(s.default) is not None] == []


def test_a_setting_of_the_file_wins_and_says_so(tmp_path: Path) -> None:
    settings = load(_file(tmp_path, "[routing]\ntradeoff = 0.9\n"))
    assert settings.routing.tradeoff == 0.9
    told = {setting.name: setting.source(settings) for setting in SETTINGS}
    assert told.pop("routing.tradeoff") == "file"
    assert set(told.values()) == {"default"}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_of_another_editor_is_read_and_written_by_its_mark(
    tmp_path: Path, encoding: str
) -> None:
    path = _file(tmp_path, "[routing]\r\ntradeoff = 0.9  # mäßig\r\n".encode(encoding))
    assert load(path).routing.tradeoff == 0.9
    write_setting(path, "routing.tradeoff", 0.8)
    assert path.read_text("utf-8") == "[routing]\ntradeoff = 0.8  # mäßig\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[routing]\ntradeof = 1", "did you mean routing.tradeoff"),
        ("[routing]\ntradeoff = 2", "it must be 0 to 1"),
        ("[routing]\ntradeoff = nan", "it must be 0 to 1"),
        ("[routing]\ntradeoff = true", "it must be 0 to 1"),
        ("[routing]\nload_cost = 'maybe'", "one of auto, on, off"),
        ("[pricing]\nusd_per_gb_second = -1", "at least 0"),
        ("[rooting]\ntradeoff = 1", "no section [rooting]"),
        ("routing = 3", "no section [routing]"),
        ("[keys]\ngenerate = 3", "must be a key in quotes"),
        ("[routing", "not valid TOML"),
        (b"[routing]\n# caf\xe9", "not valid TOML"),
    ],
)
def test_what_cannot_be_followed_is_refused_with_the_reason(
    tmp_path: Path, text: str | bytes, told: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        load(_file(tmp_path, text))
    assert told in str(refused.value)
    assert "cems config validate" in refused.value.hint


def test_a_folder_in_the_file_s_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "config.toml")


def test_every_problem_is_listed() -> None:
    assert len(problems({"routing": {"tradeoff": 3, "load_cost": "x"}, "nothing": {}})) == 3


@pytest.mark.parametrize("value", ["much", "-1", "0", "nan", "inf", ""])
def test_a_device_budget_that_is_no_amount_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("CEMS_DEVICE_BUDGET_MB", value)
    assert "CEMS_DEVICE_BUDGET_MB" in environment_problems()[0]


def test_load_time_counts_by_itself_where_several_pictures_are_made(tmp_path: Path) -> None:
    settings = load(tmp_path / "config.toml")
    assert settings.routing.counts_load(several=True)
    assert not settings.routing.counts_load(several=False)
    always = load(_file(tmp_path, "[routing]\nload_cost = 'on'"))
    assert always.routing.counts_load(several=False)


def test_no_setting_is_ignored() -> None:
    """Every setting is read somewhere: of its section, or by a helper of the section itself."""
    root = Path(__file__).parent.parent
    product = [*root.glob("cems_tui/**/*.py"), *root.glob("screens/**/*.py")]
    text = "\n".join(file.read_text("utf-8") for file in product)
    sections = "settings|chosen|quality|self"
    assert [
        setting.name
        for setting in SETTINGS
        if not re.search(rf"\b({sections}|{setting.section})\.{setting.key}\b", text)
    ] == []


def test_the_configured_memory_holds_unless_the_environment_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = Profile(paths.current(), load(_file(tmp_path, "[device]\nbudget_mb = 12")))
    assert profile.weight_budget() == 12_000_000
    monkeypatch.setenv("CEMS_DEVICE_BUDGET_MB", "7")
    assert profile.weight_budget() == 7_000_000


def test_the_choices_are_those_of_the_instruments() -> None:
    for metric in ("nima", "clip"):
        assert problems({"quality": {metric: "x"}})[0].endswith(", ".join(instruments_of(metric)))
    told = problems({"quality": {"metrics": "x"}})[0]
    assert told.endswith(f'some of "{",".join(METRICS)}"')


def test_the_default_price_is_the_paper_s() -> None:
    assert Settings().pricing.usd_per_gb_second == CEMS_USD_PER_GB_SECOND


@pytest.mark.parametrize("text", ["", "3,7,10,30", "7,3,10,30", "1,2,3", "a,b,c,d", "1,1,2,3", " "])
def test_ranges_are_followed_exactly_where_the_mixed_score_takes_them(text: str) -> None:
    try:
        ranges_of(text)
        taken = True
    except UsageError:
        taken = False
    assert (problems({"quality": {"mixed": text}}) == []) is taken


def test_a_number_of_thousands_of_digits_is_told_wherever_it_stands(tmp_path: Path) -> None:
    file, digits = tmp_path / "config.toml", "9" * 5_000
    for text in (f"[routing]\ntradeoff = {digits}\n", f"x = [{digits}]\n"):
        file.write_text(text)
        with pytest.raises(ConfigError, match="is not valid TOML"):
            load(file)
        with pytest.raises(ConfigError):
            write_setting(file, "routing.load_cost", "on")
        assert file.read_text() == text
    with pytest.raises(ConfigError):
        next(one for one in SETTINGS if one.name == "routing.tradeoff").parsed(digits)
