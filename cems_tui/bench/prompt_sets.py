"""Sets of prompts for benchmarks: our own, tables, and public ones fetched when asked for."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from cems_tui.bench.prompts import MAX_BYTES, PromptLine, read_prompts
from cems_tui.cancel import Stop, never
from cems_tui.errors import CemsError, UsageError
from cems_tui.files import read_bytes, read_json, stays_within, write_json
from cems_tui.models.hub.client import DATA_SET, Hub
from cems_tui.models.hub.download import Transfer
from cems_tui.models.repository import RemoteFile
from cems_tui.paths import ensure
from cems_tui.text import as_utf8, checked_prompt, counted, one_line
from cems_tui.typed import fits

Tell = Callable[[str], None]

PROMPT_COLUMNS = ("prompt", "prompts", "text", "caption", "captions")
GROUP_COLUMNS = ("group", "class", "category", "challenge")


@dataclass(frozen=True, slots=True)
class LabelledPrompt:
    """A prompt of our own set."""

    prompt: str
    kind: str
    """Its class: plain, object, colour, count, relation, animal, person, food, building,
    landscape, crowd, text, style, idea, without, long."""

    difficulty: int
    """1 one thing, nothing said of it, to 5 many things that hang together."""


def spectrum() -> list[LabelledPrompt]:
    """Our own set: from a white and empty wall to crowded scenes."""
    text = files("cems_tui.bench").joinpath("spectrum.tsv").read_text("utf-8")
    rows = csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE)
    return [LabelledPrompt(row["prompt"], row["class"], int(row["difficulty"])) for row in rows]


# Tables.

REST = "\0"
"""What is beyond the last column of a row."""


def read_prompt_file(path: Path | str, tell: Tell) -> list[PromptLine]:
    """The prompts of a file: a line each, JSON Lines, or a CSV or TSV table with a head.

    Args:
        tell: told of what is left out.

    Raises:
        UsageError: it cannot be read, or a line cannot be a prompt; nothing is taken then.
    """
    if str(path).lower().endswith((".csv", ".tsv")):
        return _from_table(Path(path), tell)
    return read_prompts(path)


def _from_table(path: Path, tell: Tell) -> list[PromptLine]:
    try:
        data = read_bytes(path, MAX_BYTES)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UsageError(
            f"cannot read the prompt file {path}: {reason}",
            "Name a text file, one prompt a line, or a table with a column `prompt`.",
        ) from error
    try:
        text = as_utf8(data).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} is not valid UTF-8", "Save the text as UTF-8 and try again."
        ) from error
    return table_prompts(text, str(path), tell, tabs=str(path).lower().endswith(".tsv"))


def table_prompts(text: str, name: str, tell: Tell, *, tabs: bool = False) -> list[PromptLine]:
    """The prompts of a table's text; its columns other than prompt and group are named, not read.

    Raises:
        UsageError: it has no column of prompts or two of one name, or a row is no prompt or has
            more cells than there are columns.
    """
    head = text.split("\n", 1)[0]
    separator = "\t" if tabs else max(",;\t", key=head.count)
    csv.field_size_limit(MAX_BYTES)
    reader = _reader(text, separator)
    columns = {(one or "").strip().lower(): one for one in reader.fieldnames or ()}
    prompt = next((columns[one] for one in PROMPT_COLUMNS if one in columns), None)
    if prompt is None:
        raise UsageError(
            f"{name} has no column `prompt`",
            f"Its first line names {', '.join(map(repr, list(columns)[:8])) or 'nothing'}.",
        )
    heads = [(one or "").strip().lower() for one in reader.fieldnames or ()]
    for one in (*PROMPT_COLUMNS, *GROUP_COLUMNS):
        if heads.count(one) > 1:
            raise UsageError(f"{name} has two columns `{one}`", "Rename one, or take it out.")
    group = next((columns[one] for one in GROUP_COLUMNS if one in columns), None)
    unread = [one for one in columns.values() if one not in (prompt, group)]
    if unread:
        tell(f"columns of {name} that are not read: {one_line(', '.join(unread), 200)}")
    found, blank = [], 0
    try:
        for row in reader:
            value = row.get(prompt)
            _refuse_more(row, len(heads))
            if value is None or not value.strip():
                blank += 1
                continue
            found.append(_line_of(value, row.get(group) if group else None, reader.line_num))
    except (csv.Error, UsageError) as error:
        raise UsageError(
            f"{name}, line {reader.line_num}: {error}", getattr(error, "hint", "")
        ) from error
    if blank:
        tell(f"{counted(blank, 'row')} of {name} without a prompt left out")
    if not found:
        raise UsageError(f"there is no prompt in {name}", "Write one prompt a row.")
    return found


def _refuse_more(row: Mapping[str, Any], columns: int) -> None:
    """Refuse a row that says more than the head names: most likely its prompt was cut in two.

    Raises:
        UsageError: it does.
    """
    more = [cell for cell in row.get(REST) or () if cell.strip()]
    if more:
        raise UsageError(
            f"{counted(columns, 'column')}, and {one_line(repr(more[0]), 60)} beyond the last",
            'Put a prompt that holds the separator in quotation marks: "a dog, running".',
        )


def _reader(text: str, separator: str) -> csv.DictReader[str]:
    """The rows of a table; one with tabs quotes nothing, its cells hold quotation marks."""
    lines = io.StringIO(text, newline="")
    if separator == "\t":
        return csv.DictReader(lines, None, REST, delimiter=separator, quoting=csv.QUOTE_NONE)
    return csv.DictReader(lines, None, REST, delimiter=separator)


def _line_of(prompt: str, group: str | None, line: int | None) -> PromptLine:
    said = group.strip() if group else ""
    return PromptLine(checked_prompt(prompt), group=said or None, line=line)


# Public sets.


@dataclass(frozen=True, slots=True)
class PublicSet:
    """A set of other people's prompts, as the Hub has it; nothing of it comes with the program."""

    name: str
    repository: str
    path: str
    """Of its file, as a pattern."""

    licence: str
    told: str
    column: str
    group: str | None = None
    """The column of its classes."""

    most: int | None = None
    """A sample of so many; None takes all."""

    below: tuple[str, float] | None = None
    """A column of which only rows below a value are taken."""


PUBLIC = {
    one.name: one
    for one in (
        PublicSet(
            "partiprompts",
            "nateraw/parti-prompts",
            "PartiPrompts.tsv",
            "Apache-2.0",
            "1,632 prompts in 12 categories (Google)",
            "Prompt",
            "Category",
        ),
        PublicSet(
            "drawbench",
            "sayakpaul/drawbench",
            "DrawBench*.csv",
            "not stated by its authors",
            "200 prompts in 11 categories (Imagen)",
            "Prompts",
            "Category",
        ),
        PublicSet(
            "diffusiondb",
            "poloclub/diffusiondb",
            "metadata.parquet",
            "CC0-1.0",
            "a sample of 2,000 prompts that people wrote; fetches 195 MB",
            "prompt",
            None,
            2_000,
            ("prompt_nsfw", 0.2),
        ),
        PublicSet(
            "coco",
            "phiyodr/coco2017",
            "data/validation*.parquet",
            "CC-BY-4.0",
            "a sample of 2,000 captions of photographs",
            "captions",
            None,
            2_000,
        ),
    )
}
SAMPLE_SEED = 42
RECORD = "set.json"
_RECORD_BYTES = 10_000


@dataclass(frozen=True, slots=True)
class Fetched:
    """What is recorded of a public set that lies here."""

    repository: str
    commit: str
    path: str
    sha256: str
    licence: str

    def __str__(self) -> str:
        return f"{self.repository}@{self.commit[:12]}, sha256:{self.sha256[:12]}, {self.licence}"


def fetched(one: PublicSet, folder: Path) -> Fetched | None:
    """What is recorded of a set under the folder of sets; None where it was not fetched.

    Raises:
        UsageError: the record is damaged.
    """
    place = folder / one.name / RECORD
    if not place.exists():
        return None
    try:
        said = Fetched(**read_json(place, _RECORD_BYTES))
    except (OSError, TypeError, ValueError) as error:
        raise _damaged(place) from error
    if not (fits(said, Fetched) and stays_within(said.path)):
        raise _damaged(place)
    return said


def _damaged(place: Path) -> UsageError:
    return UsageError(
        f"{place} is damaged", f"Remove the folder {place.parent}; it is fetched anew."
    )


def fetch(one: PublicSet, folder: Path, hub: Hub, tell: Tell, stop: Stop = never) -> Fetched:
    """Fetch a public set, checked against the Hub's digest, and record what it is.

    Raises:
        DownloadError: it cannot be had. StorageError: the disk refuses. Interrupted.
    """
    found = hub.describe_file(one.repository, one.path)
    [file] = found.files
    place = ensure(folder / one.name)

    def body(asked: RemoteFile, offset: int) -> Any:
        return hub.open(found.repo, found.commit, asked.path, offset, kind=DATA_SET)

    tell(f"fetching {one.name}: {found.repo}, {file.size:,} bytes")
    digests = Transfer([file], place, body).run(stop)
    record = Fetched(
        repository=found.repo,
        commit=found.commit,
        path=file.path,
        sha256=digests[file.path],
        licence=found.licence or one.licence,
    )
    write_json(
        place / RECORD, {name: getattr(record, name) for name in Fetched.__dataclass_fields__}
    )
    return record


def public_prompts(one: PublicSet, record: Fetched, folder: Path, tell: Tell) -> list[PromptLine]:
    """The prompts of a set that was fetched; a sample is the same every time.

    Raises:
        UsageError: the file is not what was recorded, or has other columns.
    """
    path = folder / one.name / record.path
    lines = [*_rows_as_lines(_rows(one, path), one, tell)]
    if one.most is not None and len(lines) > one.most:
        lines = random.Random(SAMPLE_SEED).sample(lines, one.most)
    if not lines:
        raise UsageError(f"there is no prompt in {path}", "Remove its folder; it is fetched anew.")
    return lines


def _rows(one: PublicSet, path: Path) -> Iterator[Mapping[str, Any]]:
    columns = [
        name for name in (one.column, one.group, one.below[0] if one.below else None) if name
    ]
    try:
        if path.suffix == ".parquet":
            from pyarrow import parquet

            for batch in parquet.ParquetFile(path).iter_batches(columns=columns):
                yield from batch.to_pylist()
            return
        text = as_utf8(read_bytes(path, MAX_BYTES)).decode("utf-8")
        reader = _reader(text, "\t" if path.suffix == ".tsv" else ",")
        if one.column not in (reader.fieldnames or ()):
            raise UsageError(f"{path} has no column {one.column}", _ANEW)
        yield from reader
    except CemsError:
        raise
    except (OSError, ValueError, csv.Error, KeyError) as error:
        raise UsageError(f"{path} cannot be read: {one_line(str(error), 200)}", _ANEW) from error


_ANEW = "Remove its folder; it is fetched anew."


def _rows_as_lines(
    rows: Iterable[Mapping[str, Any]], one: PublicSet, tell: Tell
) -> Iterator[PromptLine]:
    left_out = 0
    seen: set[str] = set()
    for row in rows:
        value: Any = row.get(one.column)
        if isinstance(value, Sequence) and not isinstance(value, str):
            value = next((part for part in value if isinstance(part, str)), None)
        if one.below is not None and not _is_below(row.get(one.below[0]), one.below[1]):
            continue
        try:
            line = _line_of(value, _text(row.get(one.group) if one.group else None), None)
        except (UsageError, TypeError, AttributeError):
            left_out += 1
            continue
        if line.prompt not in seen:
            seen.add(line.prompt)
            yield line
    if left_out:
        tell(f"{counted(left_out, 'row')} of {one.name} that cannot be a prompt left out")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _is_below(value: object, most: float) -> bool:
    return isinstance(value, int | float) and value < most
