"""A small file never takes much memory or time, whatever it claims to be."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from cems_tui.bench import prompts
from cems_tui.bench.prompts import read_prompts
from cems_tui.errors import UsageError
from cems_tui.score_tables.formats import read_table

HEADER = "prompt_id,prompt,function,metric,score"


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_a_table_of_a_million_columns_is_refused(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"wide.{ending}"
    names = [f"c{n}" for n in range(200_000 if ending == "jsonl" else 1_000_000)]
    if ending == "parquet":
        parquet.write_table(pyarrow.table({name: [1] for name in names[:5_000]}), path)
    elif ending == "jsonl":
        path.write_text("{" + ",".join(f'"{name}":1' for name in names) + "}\n")
    else:
        between = "," if ending == "csv" else "\t"
        path.write_text(HEADER.replace(",", between) + between + between.join(names) + "\n")
    with pytest.raises(UsageError, match="columns"):
        read_table(path)


def test_a_table_of_many_rows_in_a_few_bytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tall.parquet"
    rows = 3_000_000
    one = pyarrow.DictionaryArray.from_arrays(
        pyarrow.nulls(rows, pyarrow.int8()).fill_null(0), ["a"]
    )
    columns = dict.fromkeys(HEADER.split(",")[:-1], one)
    score = pyarrow.nulls(rows, pyarrow.float64()).fill_null(1.0)
    parquet.write_table(pyarrow.table({**columns, "score": score}), path, compression="zstd")
    assert path.stat().st_size < 100_000
    with pytest.raises(UsageError, match="those are no scores"):
        read_table(path)


def test_lines_nested_without_end_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.jsonl"
    path.write_text("[" * 1_000_000)
    with pytest.raises(UsageError, match="line 1"):
        read_table(path)


@pytest.mark.parametrize(("what", "most"), [("functions", 300), ("metrics", 30)])
def test_a_table_of_names_without_end_is_refused(tmp_path: Path, what: str, most: int) -> None:
    names = {"functions": "one@1", "metrics": "clip"}
    path = tmp_path / "names.csv"
    for count in (most, most + 1):
        rows = [{**names, what: f"n{number}"} for number in range(count)]
        lines = [f"1,a cat,{row['functions']},{row['metrics']},1" for row in rows]
        path.write_text("\n".join([HEADER, *lines]))
        if count == most:
            assert len(getattr(read_table(path), what)) == most
            continue
        with pytest.raises(UsageError, match=f"names.csv has {count} {what}; {most} is the most"):
            read_table(path)


def test_a_file_of_prompts_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompts, "MAX_PROMPTS", 3)
    path = tmp_path / "prompts.txt"
    path.write_text("a\n\nb\nc\n")
    assert len(read_prompts(path)) == 3
    path.write_text("a\nb\nc\nd\n")
    with pytest.raises(UsageError, match="over 3 prompts"):
        read_prompts(path)


def test_a_number_without_end_is_told_in_our_words(tmp_path: Path) -> None:
    path = tmp_path / "number.jsonl"
    path.write_text('{"score": ' + "9" * 10_000 + "}")
    with pytest.raises(UsageError, match="a number in it is too long"):
        read_table(path)


@pytest.mark.parametrize("name", ["pipe.csv", "pipe.jsonl", "pipe.parquet", "pipe.txt"])
def test_a_pipe_in_place_of_a_file_is_refused_at_once(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    read = read_prompts if name.endswith(".txt") else read_table
    with pytest.raises(UsageError, match="cannot read"):
        read(tmp_path / name)


def test_the_pipes_of_a_shell_are_read(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"a red car\n")
    os.close(writing)
    try:
        assert [line.prompt for line in read_prompts(Path(f"/dev/fd/{reading}"))] == ["a red car"]
    finally:
        os.close(reading)
