"""Score tables: taken whole or not at all, and given back as they were."""

from __future__ import annotations

import csv as python_csv
import hashlib
import json
import random
import subprocess
import sys
import tempfile
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cems_tui.errors import UnknownName, UsageError
from cems_tui.score_tables.formats import (
    Row,
    ScoreTable,
    parse_table,
    read_table,
    table_text,
    write_table,
)
from tests.routing.fakes import SHARED_DATA, table_of_noise, table_with_signal

HEAD = "prompt_id,prompt,function,metric,score"


def csv(tmp_path: Path, *lines: str, head: str = HEAD) -> Path:
    path = tmp_path / "table.csv"
    path.write_text("\n".join((head, *lines)) + "\n", encoding="utf-8")
    return path


def test_a_plain_table_is_read(tmp_path: Path) -> None:
    lines = ('p1,"a cat, asleep",a@1,clip,31.5', 'p1,"a cat, asleep",b@2,clip,30')
    table = read_table(csv(tmp_path, *lines))
    assert table.prompts == {"p1": "a cat, asleep"}
    assert table.functions == ("a@1", "b@2")
    assert [row.score for row in table.rows] == [31.5, 30.0]
    assert table.rows[0].cost_usd is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [";", "\t"])
@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_a_spreadsheet_s_table_is_read_with_its_separators_and_decimal_commas(
    tmp_path: Path, ending: str, delimiter: str, encoding: str
) -> None:
    path = tmp_path / f"table.{ending}"
    rows = (
        ("prompt_id", "prompt", "function", "metric", "score", "cost_usd"),
        ("1", "a cat, asleep", "a@1", "clip", "0,85", "1,5E-06"),
        ("1", "a cat, asleep", "b@1", "clip", "-1", ""),
    )
    path.write_bytes("".join(f"{delimiter.join(row)}\r\n" for row in rows).encode(encoding))
    table = read_table(path)
    assert table.prompts == {"1": "a cat, asleep"}
    assert [row.score for row in table.rows] == [0.85, -1.0]
    assert [row.cost_usd for row in table.rows] == [1.5e-6, None]


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_figures_with_points_are_read_between_any_separators(
    tmp_path: Path, delimiter: str
) -> None:
    path = tmp_path / "table.csv"
    path.write_text(f"{HEAD}\n1,a cat,a@1,clip,0.85\n".replace(",", delimiter))
    assert [row.score for row in read_table(path).rows] == [0.85]


@pytest.mark.parametrize(
    "line", ["1;a cat;a@1;clip;1.234,5", "1;a cat;a@1;clip;0,5\n1;a cat;b@1;clip;1.234"]
)
def test_a_comma_among_points_is_no_decimal_comma(tmp_path: Path, line: str) -> None:
    path = csv(tmp_path, line, head=HEAD.replace(",", ";"))
    with pytest.raises(UsageError, match="score is not a number"):
        read_table(path)


@pytest.mark.parametrize("score", ["1e308", "-1e308", "1e101"])
@pytest.mark.parametrize("column", ["score", "cost_usd", "seconds"])
def test_a_figure_that_cannot_be_squared_is_refused(
    tmp_path: Path, column: str, score: str
) -> None:
    value = "1" if column == "score" else score.removeprefix("-")
    cells = score if column == "score" else f"{value},{value}"
    head = HEAD if column == "score" else f"{HEAD},{column}"
    with pytest.raises(UsageError, match=r"line 2: .* too large to reckon with"):
        read_table(csv(tmp_path, f"p,a cat,a@1,clip,{cells}", head=head))


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_every_format_gives_back_what_was_written(tmp_path: Path, ending: str) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    tricky = Row(
        prompt_id="ü1",
        prompt='line\nbreak, "quotes"\tand \x1b[31m 日本',
        function="a@1",
        metric="clip",
        score=None,
        cost_usd=1.25e-6,
        seed="7",
        group="G",
    )
    table = ScoreTable.of((tricky, *table_with_signal(10).rows))
    path = tmp_path / f"table.{ending}"
    write_table(table, path)
    assert read_table(path) == table
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(str.strip)
FIGURE = st.floats(-1e100, 1e100)
AMOUNT = st.none() | st.floats(0, 1e100)
ROWS = st.lists(
    st.builds(
        Row,
        prompt_id=st.sampled_from(["p1", "p 2", "ü3"]),
        prompt=st.just(""),
        function=TEXT,
        metric=st.sampled_from(["clip", "nima", "fid"]),
        score=st.none() | FIGURE,
        cost_usd=AMOUNT,
        seconds=AMOUNT,
        memory_gb=AMOUNT,
        seed=st.none() | TEXT,
        rater=st.none() | TEXT,
        group=st.none() | TEXT,
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda row: (row.prompt_id, row.function, row.metric, row.seed, row.rater),
)


@st.composite
def tables(draw: st.DrawFn) -> ScoreTable:
    texts = {name: draw(TEXT) for name in ("p1", "p 2", "ü3")}
    return ScoreTable.of(
        replace(row, prompt=texts[row.prompt_id], higher_is_better=row.metric != "fid")
        for row in draw(ROWS)
    )


@settings(deadline=None)
@given(table=tables(), ending=st.sampled_from(["csv", "tsv", "jsonl", "parquet"]))
def test_any_table_reads_back_as_it_was_written(table: ScoreTable, ending: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"table.{ending}"
        write_table(table, path)
        assert read_table(path) == table
        assert read_table(path).rows == table.rows


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_a_line_that_ends_within_a_text_ends_no_row(tmp_path: Path, ending: str) -> None:
    texts = ("a\rcat", "a\ncat", "a\r\ncat", "cat\r", "\rcat")
    table = ScoreTable.of(
        Row(f"p{n}", text, "f@1", "clip", 1.0, group=text) for n, text in enumerate(texts)
    )
    write_table(table, tmp_path / f"table.{ending}")
    assert read_table(tmp_path / f"table.{ending}").rows == table.rows


@settings(deadline=None)
@given(
    data=st.lists(
        st.sampled_from(
            [
                *"ab1-. \t\r\n,",
                *('"', '""', '",', ',"', '"\n', "p1,a,f,m,1\n", 'p2,"a, b",f,m,\n'),
                *('"p3","a ""b""\n",f,m,1e3\n', "p4,a,f,m,nan\n", "p5,é,f,m,2,x\r\n"),
            ]
        ),
        max_size=8,
    ).map("".join)
)
def test_a_csv_is_what_pythons_own_reader_says_it_is(data: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        path.write_bytes(f"{HEAD}\n{data}".encode())
        try:
            taken: object = read_table(path).rows
        except UsageError as error:
            taken = str(error)
    reader = python_csv.reader(data.splitlines(keepends=True), strict=True)
    lines, number = [], 2
    try:
        for cells in reader:
            if cells:
                padded = [*cells, *([None] * (5 - len(cells)))]
                values: dict[str | None, object] = dict(zip(HEAD.split(","), padded, strict=False))
                lines.append((number, values | ({None: cells[5:]} if len(cells) > 5 else {})))
            number = reader.line_num + 2
        said: object = parse_table(lines, "table.csv").rows
    except python_csv.Error as error:
        said = f"table.csv line {reader.line_num + 1}: {error}"
    except UsageError as error:
        said = str(error)
    assert taken == said


@given(
    prompt=st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip),
    score=st.none() | st.floats(-1e6, 1e6),
)
def test_any_prompt_survives_text_formats(prompt: str, score: float | None) -> None:
    table = ScoreTable.of([Row("p", prompt, "a@1", "clip", score)])
    rows = [json.loads(line) for line in table_text(table, "jsonl").split("\n") if line]
    assert parse_table(enumerate(rows, start=1), "memory") == table


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("p2,a dog,a@1,clip,inf", "not a finite number"),
        ("p2,a dog,a@1,clip,-Infinity", "not a finite number"),
        ("p2,a dog,a@1,clip,good", "not a number: 'good'"),
        (",a dog,a@1,clip,1", "prompt_id is empty"),
        ("p2,  ,a@1,clip,1", "prompt is empty"),
        ("p2,a dog,,clip,1", "function is empty"),
        ("p2,a dog,a@1,clip,1,9,9", "more cells than columns"),
        ("p1,another text,a@1,clip,1", "another prompt further up"),
    ],
)
def test_a_bad_row_is_named_by_line_and_reason_and_nothing_is_taken(
    tmp_path: Path, line: str, reason: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read_table(csv(tmp_path, "p1,a cat,a@1,clip,1", line))
    assert "line 3: " in str(caught.value)
    assert reason in str(caught.value)
    assert caught.value.exit_code == 2


def test_line_numbers_hold_after_prompts_of_several_lines(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="line 5: score"):
        read_table(csv(tmp_path, 'p1,"a\ncat\nhere",a@1,clip,1', "p2,a dog,a@1,clip,bad"))


def test_only_the_first_bad_rows_are_listed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"9 bad rows: line 2: .*; and 4 more"):
        read_table(csv(tmp_path, *(f"p{n},a cat,a@1,clip,bad" for n in range(9))))


@pytest.mark.parametrize("score", ["", "NaN", "nan", " "])
def test_an_empty_score_is_a_missing_cell(tmp_path: Path, score: str) -> None:
    table = read_table(csv(tmp_path, f"p1,a cat,a@1,clip,{score}", "p1,a cat,b@2,clip,2"))
    assert table.rows[0].score is None
    assert table.missing("clip") == 1


def test_equal_rows_are_repeats_unless_a_seed_or_rater_tells_them_apart(tmp_path: Path) -> None:
    table = read_table(csv(tmp_path, "p1,a cat,a@1,clip,1", "p1,a cat,a@1,clip,3"))
    assert table.pivot("clip").scores.tolist() == [[2.0]]
    assert table.pivot("clip").repeats.tolist() == [[2]]
    head = f"{HEAD},rater"
    read_table(csv(tmp_path, "p1,a cat,a@1,clip,1,ann", "p1,a cat,a@1,clip,1,bob", head=head))
    with pytest.raises(UsageError, match="as line 2"):
        read_table(csv(tmp_path, "p1,a cat,a@1,clip,1,ann", "p1,a cat,a@1,clip,2,ann", head=head))


def test_a_pivot_keeps_missing_cells_and_turns_lower_is_better_around(tmp_path: Path) -> None:
    head = f"{HEAD},higher_is_better"
    pivot = read_table(
        csv(tmp_path, "p1,a cat,a@1,fid,3,false", "p2,a dog,b@2,fid,4,0", head=head)
    ).pivot("fid")
    assert pivot.negated
    assert pivot.prompts == ("a cat", "a dog")
    assert np.array_equal(pivot.scores, [[-3.0, np.nan], [np.nan, -4.0]], equal_nan=True)
    assert pivot.repeats.tolist() == [[1, 0], [0, 1]]
    assert not pivot.complete.any()


def test_an_unknown_metric_is_an_unknown_name() -> None:
    with pytest.raises(UnknownName, match="clap"):
        table_with_signal(5).pivot("clap")


def test_line_ends_within_a_prompt_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(f'{HEAD}\r\np1,"a\r\ncat",a@1,clip,1\r\n'.encode())
    assert read_table(path).prompts == {"p1": "a\r\ncat"}


def test_a_prompt_that_is_not_utf8_is_a_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "table.jsonl"
    row = {"prompt_id": "p", "prompt": "a \ud800", "function": "a@1", "metric": "m", "score": 1}
    path.write_text(json.dumps(row), encoding="utf-8")
    with pytest.raises(UsageError, match="line 1: prompt is not valid UTF-8"):
        read_table(path)


@pytest.mark.parametrize("name", ["none.csv", "table.xlsx", "none.parquet"])
def test_a_file_that_cannot_be_a_table_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        read_table(tmp_path / name)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no column metric, score"):
        read_table(csv(tmp_path, "p1,a cat,a@1", head="prompt_id,prompt,function"))


def test_bytes_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(HEAD.encode() + b"\np1,caf\xe9,a@1,clip,1\n")
    with pytest.raises(UsageError, match="UTF-8"):
        read_table(path)


def test_the_digest_is_of_the_rows() -> None:
    assert table_with_signal(5).digest == table_with_signal(5).digest
    assert table_with_signal(5).digest != table_with_signal(5, seed=1).digest


def test_reading_needs_no_numpy_until_a_matrix_is_wanted() -> None:
    code = (
        "import sys, cems_tui.score_tables.formats;"
        "print('numpy' in sys.modules, 'pyarrow' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "False"]


TRICKY = ScoreTable.of(
    [
        Row(
            "ü1",
            'line\nbreak, "quotes"\tand \x1b[31m 日本',
            "a@1",
            "clip",
            None,
            cost_usd=1.25e-6,
            seed="7",
            group="G",
        ),
        Row(
            "p'2",
            'it\'s \\ "both"',
            "b@2",
            "fid",
            -0.0,
            0.0,
            1e300,
            5e-324,
            None,
            "ann \ud800",
            None,
            False,
        ),
        Row("p3", "a cat", "b@2", "clip", 0.1 + 0.2, None, 1e16, 1e-5, "x", "bob", "g", True),
    ]
)


@pytest.mark.parametrize(
    ("table", "digest"),
    [
        (TRICKY, "30a959af3041e8bf0dc6c0b49919581f6f0c323a27159d8bbd4aea2959c836cc"),
        (table_with_signal(5), "d7d8b2944f70c4e0e170a1c302f203e4678e4dcb24418cba08613a66cbc773e9"),
        (table_of_noise(20, 3), "7efcfb76dbab59c0167d477c433af2b13448bdb3f19d1639c2662fa5a2f6abbb"),
    ],
)
def test_cards_find_their_tables_by_digests_that_never_change(
    table: ScoreTable, digest: str
) -> None:
    assert table.digest == f"sha256:{digest}"


@settings(deadline=None)
@given(table=tables())
def test_the_digest_is_of_every_row_as_python_writes_its_tuple(table: ScoreTable) -> None:
    said = hashlib.sha256()
    for row in table.rows:
        said.update(repr(astuple(row)).encode("utf-8", "surrogatepass"))
    assert table.digest == f"sha256:{said.hexdigest()}"


def test_a_long_table_is_digested_whole() -> None:
    table = table_with_signal(900, repeats=3)
    said = hashlib.sha256("".join(repr(astuple(row)) for row in table.rows).encode())
    assert table.digest == f"sha256:{said.hexdigest()}"


@settings(deadline=None)
@given(table=tables(), chance=st.randoms(use_true_random=False))
def test_shuffled_rows_make_the_same_matrix(table: ScoreTable, chance: random.Random) -> None:
    rows = list(table.rows)
    chance.shuffle(rows)
    for metric in table.metrics:
        one, two = table.pivot(metric), ScoreTable.of(rows).pivot(metric)
        row = [two.prompt_ids.index(name) for name in one.prompt_ids]
        column = [two.functions.index(name) for name in one.functions]
        assert dict(zip(one.prompt_ids, one.prompts, strict=True)) == dict(
            zip(two.prompt_ids, two.prompts, strict=True)
        )
        assert (one.negated, set(one.functions)) == (two.negated, set(two.functions))
        assert one.repeats.tolist() == two.repeats[np.ix_(row, column)].tolist()
        placed = [(row.index(r), column.index(c), score) for r, c, score in two.readings]
        assert sorted(one.readings) == sorted(placed)
        for cell in zip(*np.nonzero(one.repeats == 1), strict=True):  # a mean has an order
            assert one.scores[cell] == two.scores[np.ix_(row, column)][cell]


@pytest.mark.parametrize(
    "name", ["agiqa3k.csv", "genai_bench.csv", "tifa160.csv", "geneval_human.csv"]
)
def test_public_tables_are_read_whole(name: str) -> None:
    path = SHARED_DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not on this machine")
    table = read_table(path)
    lines = path.read_text(encoding="utf-8").count("\n")
    assert 0 < len(table.rows) <= lines - 1
