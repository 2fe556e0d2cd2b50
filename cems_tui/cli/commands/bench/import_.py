"""`cems bench import`: a score table, or a folder of pictures, as a benchmark."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from cems_tui.bench.picture_log import PictureLog, read_log
from cems_tui.cancel import was_interrupted
from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.profile import Profile
from cems_tui.score_tables.formats import parse_columns, read_table
from cems_tui.score_tables.table import COLUMNS, ScoreTable
from cems_tui.scoring.instruments import metrics_of
from cems_tui.text import counted

BAD_TOLD = 5
"""Files that could not be taken, by name; of more their number."""


def import_(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="TABLE|FOLDER",
            help="CSV, TSV, JSON Lines or Parquet, a score a row; or a folder of pictures.",
        ),
    ],
    name: Annotated[str, typer.Option(metavar="B", help="What the benchmark is called.")],
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="M,N", help="What to read off pictures; quality.metrics, as far as it can be."
        ),
    ] = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Take a score table, or a folder of other tools' pictures, in as a benchmark.

    A table is taken whole or not at all. Of pictures the prompt, model, steps and seed are taken
    that A1111, ComfyUI, InvokeAI or cems wrote into them, and the scorers at hand read them; those
    that say nothing are told by name and left out.
    """
    profile = Profile.current()
    if file.is_dir():
        table, rows = _pictures(profile, file, name, metrics)
    else:
        table = read_table(file, output.note)
        with profile.records() as store:
            rows = store.benches.import_table(name, table, file.name)
    _tell(name, rows, table, json=json, quiet=quiet)


def _pictures(
    profile: Profile, folder: Path, name: str, metrics: str | None
) -> tuple[ScoreTable, int]:
    with profile.planner() as planner:
        asked = metrics_of(metrics or profile.settings.quality.metrics)
        log = read_log(
            folder,
            profile.scorers.stranger_panel(planner, asked, output.note),
            asked,
            output.note,
            was_interrupted,
        )
    _tell_bad(log)
    columns = {column: [row.get(column) for row in log.rows] for column in COLUMNS}
    table = parse_columns(columns, str(folder))
    with profile.records() as store:
        return table, store.benches.import_rows(name, log.rows, folder.name, log.scorers)


def _tell_bad(log: PictureLog) -> None:
    for path, reason in log.bad[:BAD_TOLD]:
        output.note(f"left out {path.name}: {reason}")
    if len(log.bad) > BAD_TOLD:
        reasons = Counter(reason for _, reason in log.bad)
        output.note(
            f"{counted(len(log.bad), 'picture')} left out: "
            + "; ".join(f"{reason} ({count:,})" for reason, count in reasons.most_common(3))
        )


def _tell(name: str, rows: int, table: ScoreTable, *, json: bool, quiet: bool) -> None:
    missing = table.missing_cells()
    if json:
        output.json_document(
            {
                "bench": name,
                "rows": rows,
                "prompts": len(table.prompts),
                "functions": list(table.functions),
                "metrics": list(table.metrics),
                "missing": missing,
            }
        )
        return
    if quiet:
        output.line(name)
        return
    output.line(
        f"{name}: {counted(rows, 'row')}, {counted(len(table.prompts), 'prompt')}, "
        f"{counted(len(table.functions), 'function')}, "
        f"metrics {', '.join(table.metrics)}"
    )
    cells = ", ".join(f"{count:,} of {metric}" for metric, count in missing.items())
    output.line(f"missing cells: {cells}")
