"""Score tables at the command line: in whole or not at all, listed, summed up, given back, gone."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cems_tui.bench.report import mean_interval, report_of
from cems_tui.bench.report_html import report_page
from cems_tui.domain.pricing import Pricing
from cems_tui.routing.evaluation.truth import costs_of
from cems_tui.score_tables.formats import Row, ScoreTable, read_table, write_table
from cems_tui.views.figures import DOLLARS
from tests.cli.cems import environment
from tests.cli.inside import Inside, inside
from tests.patience import PATIENCE, TELLS_IMPORTS, until_imported
from tests.routing.fakes import table_with_signal

__all__ = ["inside"]

HEAD = "prompt_id,prompt,function,metric,score"
TRICKY = Row(
    prompt_id="ü1",
    prompt='line\nbreak, "quotes"\tand \x1b[31m \x00 日本 <script>',
    function="any name <b> 5\u202e",
    metric="clip & more",
    score=None,
    cost_usd=1.25e-6,
    seconds=0.5,
    memory_gb=9.51,
    seed="7",
    rater="ann",
    group="G",
)


def write(tmp_path: Path, *lines: str, head: str = HEAD) -> Path:
    path = tmp_path / "table.csv"
    path.write_text("\n".join((head, *lines)) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_what_is_imported_is_exported_again(inside: Inside, tmp_path: Path, ending: str) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    lower = replace(TRICKY, metric="fid", score=3.0, higher_is_better=False, seed=None, rater=None)
    table = ScoreTable.of((TRICKY, lower, lower, *table_with_signal(5).rows))
    write_table(table, tmp_path / f"in.{ending}")
    assert inside("bench", "import", f"in.{ending}", "--name", "b").code == 0
    out = tmp_path / f"out.{ending}"
    assert inside("bench", "export", "b", "--format", ending, "--out", out).code == 0
    assert read_table(out) == table
    again = inside("bench", "import", out, "--name", "again")
    assert again.code == 0, again.err


def test_an_import_says_what_it_holds_and_what_is_missing(inside: Inside, tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "p1,a cat,a@1,clip,1",
        "p1,a cat,b@2,clip,",
        "p2,a dog,a@1,clip,2",
        "p2,a dog,a@1,clip,3",
    )
    ran = inside("bench", "import", path, "--name", "b", "--json")
    assert ran.document["rows"] == 4
    assert ran.document["prompts"] == 2
    assert ran.document["missing"] == {"clip": 2}
    listed = inside("bench", "ls", "--json").document
    assert [(one["name"], one["status"], one["cells"]) for one in listed] == [("b", "imported", 4)]
    assert listed[0]["cost_usd"] is None
    told = inside("bench", "import", path, "--name", "c")
    assert "missing cells: 2 of clip" in told.out


def test_columns_that_mean_nothing_are_named_not_read(inside: Inside, tmp_path: Path) -> None:
    path = write(tmp_path, "p1,a cat,a@1,clip,1,0.2,x", head=f"{HEAD},cost,colour")
    ran = inside("bench", "import", path, "--name", "b")
    assert ran.code == 0
    assert "cost (did you mean cost_usd?)" in ran.err
    assert "colour" in ran.err


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("p2,a dog,a@1,clip,inf", "line 3: score is not a finite number"),
        ("p2,a dog,a@1,clip,good", "line 3: score is not a number"),
        ("p2,a dog,a@1,clip,1_0", "line 3: score is not a number"),
        (f"p2,{'long' * 2501},a@1,clip,1", "line 3: prompt has 10,004 characters"),
        ("p1,another,a@1,clip,1", "line 3: prompt_id p1 has another prompt further up"),
    ],
)
def test_one_bad_row_refuses_the_whole_table(
    inside: Inside, tmp_path: Path, line: str, reason: str
) -> None:
    ran = inside("bench", "import", write(tmp_path, "p1,a cat,a@1,clip,1", line), "--name", "b")
    assert ran.code == 2
    assert reason in ran.err
    assert inside("bench", "ls", "--json").document == []


def test_two_columns_of_one_name_and_bytes_that_are_no_text_are_refused(
    inside: Inside, tmp_path: Path
) -> None:
    ran = inside(
        "bench", "import", write(tmp_path, "p,a cat,a,m,1,2", head=f"{HEAD},score"), "--name", "b"
    )
    assert ran.code == 2
    assert "score twice" in ran.err
    (tmp_path / "latin.csv").write_bytes(HEAD.encode() + b"\np1,caf\xe9,a@1,clip,1\n")
    assert inside("bench", "import", "latin.csv", "--name", "b").code == 2
    assert inside("bench", "import", "nowhere.csv", "--name", "b").code == 2


def test_a_name_is_taken_once(inside: Inside, tmp_path: Path) -> None:
    path = write(tmp_path, "p1,a cat,a@1,clip,1")
    assert inside("bench", "import", path, "--name", "b").code == 0
    again = inside("bench", "import", path, "--name", "b")
    assert again.code == 2
    assert "cems bench rm b" in again.err
    assert inside("bench", "import", path, "--name", " ").code == 2


def test_removing_asks_and_a_dry_run_removes_nothing(inside: Inside, tmp_path: Path) -> None:
    inside("bench", "import", write(tmp_path, "p1,a cat,a@1,clip,1"), "--name", "b")
    assert inside("bench", "rm", "b", "--dry-run").code == 0
    assert inside("bench", "rm", "b").code == 2  # nobody to ask
    assert [one["name"] for one in inside("bench", "ls", "--json").document] == ["b"]
    assert inside("bench", "rm", "b", "--yes").code == 0
    assert inside("bench", "ls", "--json").document == []
    with sqlite3.connect(tmp_path / "home" / "cems.db") as database:
        assert database.execute("SELECT count(*) FROM bench_scores").fetchone() == (0,)
    assert inside("bench", "rm", "b", "--yes").code == 2


def test_a_report_has_every_function_on_every_metric_in_every_group(
    inside: Inside, tmp_path: Path
) -> None:
    table = table_with_signal(40)
    halves = ScoreTable.of(
        replace(row, group="even" if int(row.prompt_id[1:]) % 2 else "odd") for row in table.rows
    )
    write_table(halves, tmp_path / "t.csv")
    inside("bench", "import", "t.csv", "--name", "b")
    report = inside("bench", "report", "b", "--json").document
    assert report["prompts"] == 40
    rows = report["metrics"][0]["functions"]
    assert {(row["function"], row["group"]) for row in rows} == {
        (function, group)
        for function in ("cheap@1", "dear@20", "odd@4")
        for group in (None, "even", "odd")
    }
    for row in rows:
        assert row["ci95"][0] < row["mean"] < row["ci95"][1]
        assert (row["prompts"], row["count"]) == ((40, 80) if row["group"] is None else (20, 40))
    whole = [row for row in rows if row["group"] is None]
    assert sum(row["won"] for row in whole) == pytest.approx(1.0)
    corners = [one["function"] for one in report["metrics"][0]["zero_mix"]]
    assert corners[0] == "cheap@1"
    assert "dear@20" in inside("bench", "report", "b").out


def test_a_report_of_a_lower_is_better_metric_keeps_its_direction() -> None:
    rows = [
        Row(f"p{n}", f"prompt {n}", name, "fid", score + n, higher_is_better=False)
        for n in range(3)
        for name, score in (("good", 1.0), ("bad", 9.0))
    ]
    found = report_of("b", ScoreTable.of(rows), Pricing(), {}).metrics[0]
    assert not found.higher_is_better
    good = found.functions[0]
    assert (good.mean, good.won, good.cost_usd) == (2.0, 1.0, None)
    assert found.zero_mix == ()


def test_prices_are_computed_where_rows_say_seconds_and_memory() -> None:
    row = Row("p", "a cat", "a", "m", 1.0, seconds=2.0, memory_gb=1.5)
    found = report_of("b", ScoreTable.of([row]), Pricing(), {}).metrics[0].functions[0]
    assert found.cost_usd == pytest.approx(2.0 * 2 * Pricing().usd_per_gb_second)
    assert found.ci95 is None


def test_the_page_needs_nothing_else_and_obeys_nothing_in_the_table(
    inside: Inside, tmp_path: Path
) -> None:
    evil = '"><script>alert(1)</script>\x1b[2J'
    rows = [
        Row(f"p{n}", f"prompt {n}", name, evil, 1.0 + n, cost_usd=cost, group=evil)
        for n in range(3)
        for name, cost in ((evil, 1.0), ("b", 2.0))
    ]
    page = report_page(report_of(evil, ScoreTable.of(rows), Pricing(), {evil: evil}), DOLLARS)
    assert "<script" not in page
    assert "\x1b" not in page
    assert "http" not in page
    write_table(table_with_signal(5), tmp_path / "t.csv")
    inside("bench", "import", "t.csv", "--name", "b")
    pytest.importorskip("matplotlib")
    assert inside("bench", "report", "b", "--html", tmp_path / "r.html").code == 0
    assert "<svg" in (tmp_path / "r.html").read_text("utf-8")


def test_the_page_shows_money_in_the_users_currency(
    inside: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_table(table_with_signal(5), tmp_path / "t.csv")
    inside("bench", "import", "t.csv", "--name", "b")
    inside("config", "set", "pricing.currency", "EUR")
    assert inside("bench", "report", "b", "--html", tmp_path / "r.html").code == 0
    page = (tmp_path / "r.html").read_text("utf-8")
    assert "€/k" in page
    assert "$" not in page
    monkeypatch.setattr("cems_tui.bench.plots.can_plot", lambda: False)
    plain = inside("bench", "report", "b", "--html", tmp_path / "plain.html")
    assert "cems-tui[report]" in plain.err
    page = (tmp_path / "plain.html").read_text("utf-8")
    assert "<svg" not in page
    assert "oracle" in page


@pytest.mark.parametrize(
    "table", ["functions", "strategies", "wins", "variance", "features", "steps", "prompts"]
)
def test_every_table_of_a_report_is_csv(inside: Inside, tmp_path: Path, table: str) -> None:
    write_table(table_with_signal(30), tmp_path / "t.csv")
    inside("bench", "import", "t.csv", "--name", "b")
    ran = inside("bench", "report", "b", "--csv", table)
    rows = list(csv.reader(io.StringIO(ran.out)))
    assert {len(row) for row in rows} == {len(rows[0])}
    assert len(rows) > (0 if table == "steps" else 1)
    assert inside("bench", "report", "b", "--csv", table, "--json").code == 2


def test_a_router_of_that_metric_is_a_strategy_of_the_report(
    inside: Inside, tmp_path: Path
) -> None:
    write_table(table_with_signal(200), tmp_path / "t.csv")
    inside("bench", "import", "t.csv", "--name", "b")
    assert inside("router", "train", "--bench", "b", "--name", "mine", "--kind", "ridge").code == 0
    ran = inside("bench", "report", "b", "--router", "mine", "--json")
    found = ran.document["metrics"][0]["analysis"]
    assert found["routed_by"] == "mine"
    by_name = {one["name"]: one["quality"]["value"] for one in found["strategies"]}
    assert by_name["oracle"] >= by_name["mine"] > by_name["random"]
    assert {curve["name"] for curve in found["curves"]} == {"zero-mix", "oracle", "mine"}
    assert inside("bench", "report", "b", "--router", "nobody").code == 2


@pytest.mark.parametrize("count", [2, 3, 12, 60])
def test_the_interval_of_a_mean_covers_it_19_times_in_20(count: int) -> None:
    random = np.random.default_rng(count)
    samples = random.normal(5.0, 2.0, size=(2000, count))
    found = [mean_interval(sample) for sample in samples]
    covered = np.mean([low <= 5.0 <= high for low, high in found if low is not None])
    assert covered == pytest.approx(0.95, abs=0.02)


@pytest.mark.slow
def test_ctrl_c_leaves_nothing_half_imported(tmp_path: Path) -> None:
    home = tmp_path / "home"
    path = tmp_path / "large.jsonl"
    rows = ({"prompt_id": f"p{n}", "prompt": f"prompt {n}", "function": "a", "metric": "m",
             "score": n} for n in range(300_000))  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for wait in (0.0, 1.5, 3.5):
        process = subprocess.Popen(
            [sys.executable, "-m", "cems_tui", "bench", "import", str(path), "--name", f"b{wait}"],
            env=environment(home, TELLS_IMPORTS),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            bufsize=0,
        )
        until_imported(process, "cems_tui.cli.main")
        time.sleep(wait)
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode in (0, 130), err.decode()
        if process.returncode and (home / "cems.db").exists():
            with sqlite3.connect(home / "cems.db") as database:
                kept = database.execute(
                    "SELECT count(*) FROM bench_cells WHERE bench = ?", [f"b{wait}"]
                ).fetchone()
                assert kept in ((0,), (300_000,))  # none, or all when it fell after the last
                assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_report_says_where_more_steps_are_priced_below_fewer() -> None:
    rows = [
        Row("p", "a cat", function, "nima", 5.0, cost_usd=price)
        for function, price in (("base@4", 3e-6), ("base@8", 2e-6), ("other@1", 9e-6))
    ]
    table = ScoreTable.of(rows)
    [note] = report_of("b", table, Pricing(), {}).notes
    assert note.startswith("base@8 is priced below base@4")
    prices = costs_of(table, {}, table.functions)
    assert (prices["base@4"] or 0) <= (prices["base@8"] or 0)
    assert prices["other@1"] == 9e-6


def test_a_report_says_that_its_prices_are_of_a_busy_machine() -> None:
    table = ScoreTable.of([Row("p", "a cat", "base@4", "nima", 5.0)])
    [note] = report_of("b", table, Pricing(), {}, (), [0.0, 0.8, 0.81]).notes
    assert "80% of their time" in note
    assert report_of("b", table, Pricing(), {}, (), [0.0, 0.02, 0.9]).notes == ()


def test_a_report_tells_the_drift_of_what_was_drawn_here() -> None:
    table = ScoreTable.of([Row("p", "a cat", "base@4", "nima", 5.0)])
    steady = [("base@4", 1.0)] * 8 + [("base@4", 2.0)] * 4
    assert report_of("b", table, Pricing(), {}, steady).drift == pytest.approx(2.0)
    assert report_of("b", table, Pricing(), {}).drift is None


BREAKS = (
    *("a\rb", "a\nb", "a\r\nb", "x\r9,b,f@1,nima,9"),
    *('"q"', "=1+1", "'=1", "a,b", "a;b\tc", "\u2028x"),
)


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_table_comes_back_as_it_was_whatever_its_prompts_hold(inside: Inside, form: str) -> None:
    rows = [
        {"prompt_id": str(at), "prompt": text, "function": name, "metric": "nima", "score": 1.5}
        for at, text in enumerate(BREAKS)
        for name in ("a@1", "b@1")
    ]
    Path("t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert inside("bench", "import", "t.jsonl", "--name", "one").code == 0
    assert inside("bench", "export", "one", "--format", form, "--out", f"o.{form}").code == 0
    ran = inside("bench", "import", f"o.{form}", "--name", "two")
    assert ran.code == 0, ran.err
    assert read_table(Path(f"o.{form}")).prompts == read_table(Path("t.jsonl")).prompts


def test_a_table_of_a_report_has_no_formula_of_a_stranger(inside: Inside) -> None:
    rows = [
        {"prompt_id": f"={at}", "prompt": f"=cmd|'/c calc'!A{at}", "function": name}
        | {"metric": "nima", "score": (at * step) % 7, "cost_usd": step / 100}
        for at in range(30)
        for name, step in (("=a@1", 3), ("+b@1", 5))
    ]
    Path("t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert inside("bench", "import", "t.jsonl", "--name", "one").code == 0
    for table in ("functions", "strategies", "wins", "prompts", "features"):
        ran = inside("bench", "report", "one", "--csv", table)
        assert ran.code == 0, ran.err
        cells = [cell for row in csv.reader(io.StringIO(ran.out, newline="")) for cell in row]
        assert [cell for cell in cells if cell.startswith(("=", "+", "@"))] == []
