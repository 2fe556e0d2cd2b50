"""Evaluation of a pack: shares, intervals, tables, and the smoke test of the command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cems_tui.errors import UnknownName, WeightsError
from cems_tui.starter.manifest import read_manifest, write_manifest
from cems_tui.starter.recipe.checks import smoke
from cems_tui.starter.recipe.checks.correctness import Verdict
from cems_tui.starter.recipe.checks.results import CLASSES, Asked, Evaluation, Mark, breakdown, wins
from cems_tui.starter.recipe.checks.shares import Mean, Share
from cems_tui.starter.recipe.checks.tables import breakdown_tables, shares_table, spread_tables
from cems_tui.starter.scenes import Thing

GOOD = Verdict(True, True, True, None, None, None, True)
BAD = Verdict(False, False, False, None, None, None, True, ("cat",))


def evaluation() -> Evaluation:
    """Two functions, two prompts a class: the dear one draws all, the cheap one half."""
    asked = tuple(
        Asked(f"{noun} {kind}", kind, (Thing(noun),), None, None)
        for kind in CLASSES
        for noun in ("cat", "dog")
    )
    cheap = tuple(Mark(BAD if a.things[0].noun == "cat" else GOOD, 70, 5.0) for a in asked)
    dear = tuple(Mark(GOOD, 80, 7.0) for _ in asked)
    return Evaluation(asked, {"dear@20": dear, "cheap@4": cheap}, {"dear@20": 0.3, "cheap@4": 0.1})


def test_the_interval_is_wilson_s() -> None:
    low, high = Share(8, 10).interval or (0, 0)
    assert (round(low, 4), round(high, 4)) == (0.4902, 0.9433)
    low, high = Share(0, 10).interval or (1, 1)
    assert low == 0
    assert round(high, 4) == 0.2775
    assert Share(10, 10).interval == (pytest.approx(0.7225, abs=1e-4), pytest.approx(1.0))


def test_a_share_over_nothing_is_unknown() -> None:
    assert Share.over([None, None]).value is None
    assert Share.over([True, None, False]) == Share(1, 2)
    assert str(Share(0, 0)) == "–"
    assert Mean.of([]).value is None
    assert Mean.of([1.0, 3.0]).value == 2.0


def test_an_evaluation_survives_its_file() -> None:
    found = evaluation()
    assert Evaluation.from_json(json.loads(json.dumps(found.as_json()))) == found


def test_shares_count_the_prompts_of_their_class() -> None:
    found = evaluation()
    assert found.shares("cheap@4", "four")["objects"] == Share(1, 2)
    assert found.shares("cheap@4")["complete"] == Share(4, 8)
    assert found.shares("dear@20")["named"] == Share(8, 8)


def test_the_worst_noun_comes_first() -> None:
    nouns = breakdown(evaluation(), "cheap@4")["noun"]
    assert nouns == [("cat", Share(0, 4)), ("dog", Share(4, 4))]


def test_the_cheapest_of_the_best_wins() -> None:
    won = wins(evaluation(), lambda mark: float(mark.verdict.complete), 0.0)
    assert won == {"cheap@4": Share(4, 8), "dear@20": Share(4, 8)}
    lenient = wins(evaluation(), lambda mark: mark.clip, 10.0)
    assert lenient["cheap@4"] == Share(8, 8)


def test_tables_have_a_row_for_each_function_and_class() -> None:
    found = evaluation()
    assert len(shares_table(found).splitlines()) == 2 + 2 * len(CLASSES)
    assert "cat 0.00 (4)" in breakdown_tables(found, "cheap@4")
    assert spread_tables(found).count("| cheap@4 |") == 4


def pack_with_record(root: Path, share: float) -> Path:
    """A pack whose files are whole and whose pipeline once drew `share` of ten prompts."""
    for folder in ("checker", "starter-base"):
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / "config.json").write_text("{}")
    entry = {"steps": 8, "guidance": 2.5, "smoke": {"prompts": 10, "share": share}}
    write_manifest(root, version="2", licence="x", pipelines={"starter-base": entry}, scorers={})
    return root


def draws(monkeypatch: pytest.MonkeyPatch, right: int) -> None:
    def fake(root: Path, prompts: int, pipelines: dict[str, Any]) -> dict[str, Share]:
        return {name: Share(right, prompts) for name in pipelines}

    monkeypatch.setattr(smoke, "smoke", fake)


def test_a_pack_that_draws_as_recorded_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = read_manifest(pack_with_record(tmp_path, 0.8))
    draws(monkeypatch, 7)
    assert smoke.draws_as_recorded(tmp_path, manifest) == {"starter-base": Share(7, 10)}
    draws(monkeypatch, 6)
    with pytest.raises(WeightsError, match="starter-base draws 6 of 10 prompts right; it drew 8"):
        smoke.draws_as_recorded(tmp_path, manifest)


def test_a_record_that_is_none_is_an_error_of_ours(tmp_path: Path) -> None:
    pack_with_record(tmp_path, 0.8)
    text = (tmp_path / "manifest.json").read_text().replace('"share": 0.8', '"share": "much"')
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(WeightsError, match="starter-base"):
        smoke.recorded(read_manifest(tmp_path))


def verify(*arguments: str) -> Any:
    from cems_tui.cli.main import app

    return CliRunner().invoke(app, ["starter", "verify", *arguments])


def test_verify_tells_what_was_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack = str(pack_with_record(tmp_path, 0.8))
    draws(monkeypatch, 9)
    told = verify("--pack", pack)
    assert told.exit_code == 0
    assert "starter-base: 9 of 10 prompts drawn right; 8 when packed" in told.stdout
    drawn = json.loads(verify("--pack", pack, "--json").stdout)["drawn"]
    assert drawn["starter-base"]["share"] == 0.9


def test_verify_without_drawing_checks_the_files_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = str(pack_with_record(tmp_path, 0.8))
    draws(monkeypatch, 0)
    assert verify("--pack", pack, "--no-draw").exit_code == 0
    assert isinstance(verify("--pack", pack).exception, WeightsError)


def test_files_are_checked_before_anything_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = pack_with_record(tmp_path, 0.8)
    (pack / "checker" / "config.json").write_text("{ }")
    draws(monkeypatch, 0)
    error = verify("--pack", str(pack)).exception
    assert "checker/config.json" in str(error)


def test_a_pack_without_a_checker_is_only_checked(tmp_path: Path) -> None:
    pack = pack_with_record(tmp_path, 0.8)
    shutil.rmtree(pack / "checker")
    write_manifest(pack, version="1", licence="x", pipelines={"starter-base": {}}, scorers={})
    told = verify("--pack", str(pack))
    assert told.exit_code == 0
    assert "no checker" in told.stderr


def test_functions_are_those_of_the_catalogue_or_those_named(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from cems_tui.starter.recipe.checks.pack_evaluation import functions_of

    pack = pack_with_record(tmp_path, 0.8)
    assert {one.pipeline for one in functions_of(pack)} == {"starter-base"}
    (one,) = functions_of(pack, ["starter-base@3"])
    assert (one.steps, one.guidance) == (3, 2.5)
    with pytest.raises(UnknownName):
        functions_of(pack, ["starter-bass@3"])


def test_a_sheet_has_a_block_for_each_class_and_the_pictures_in_it() -> None:
    pytest.importorskip("torch")
    import numpy as np

    from cems_tui.starter.recipe.checks.measure import cases
    from tests.experiments.sheet import ACROSS, GAP_PX, LINE_PX, LINES, PICTURE_PX, sheet

    asked = cases(ACROSS + 1, "a test")
    pictures = np.full((len(asked), 64, 64, 3), 7, np.uint8)
    page = np.asarray(sheet(asked, pictures))
    rows = 2 * len(CLASSES)
    assert page.shape[0] > rows * (PICTURE_PX + LINES * LINE_PX)
    assert page.shape[1] == ACROSS * (PICTURE_PX + GAP_PX)
    assert int((page == 7).all(-1).sum()) >= len(asked) * PICTURE_PX**2
