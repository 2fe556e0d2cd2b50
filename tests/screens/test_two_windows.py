"""The command line and the app list the models alike: one row, one sheet, the same words."""

from __future__ import annotations

import pytest

from cems_tui.cli.commands.ls import print_models
from cems_tui.models.queue import Pulls
from cems_tui.services.library import grouped
from cems_tui.views.model_list import rows
from cems_tui.views.model_sheet import sheet
from screens.models import model_facts
from screens.models.model_list import lines
from tests.services.fakes_models import MODELS


def test_every_cell_of_a_row_stands_in_both_lists(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    models = [facts for facts in MODELS if facts.model.path is None]
    print_models(models)
    printed = capsys.readouterr().out.splitlines()
    drawn = [
        line.text.plain for line in lines(grouped(tuple(models)), Pulls(), frozenset(), 200)[1]
    ]
    for row in rows(models):
        for cells in (printed, drawn):
            (line,) = [text for text in cells if f" {row.name} " in text]
            assert row.sign in line
            assert row.marks in line
            assert row.disk in line
            assert row.licence[:20] in line


def test_the_sheet_of_a_model_is_the_same_but_for_its_pull() -> None:
    for facts in MODELS:
        told = [(fact.name, fact.text) for fact in model_facts.model(facts, None, "")]
        assert told == [(line.name, line.text) for line in sheet(facts)]
