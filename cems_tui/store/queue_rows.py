"""A job as a row and back. What a stranger wrote into the table is typed here, or told damaged."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cems_tui.domain.decision import Policy
from cems_tui.domain.job import Foreseen, QueuedJob
from cems_tui.domain.request import Request
from cems_tui.store.rows import place_column, recordable
from cems_tui.typed import fits

Row = Mapping[str, Any] | sqlite3.Row

DAMAGED = "its row in the database is damaged"
DAMAGED_HINT = "Remove it with `cems queue rm`, and add it again."


def job_row(job: QueuedJob, home: Path) -> dict[str, Any]:
    """The columns of `jobs` of a job that is added; `number` is the table's to give.

    Args:
        home: the database's folder; a folder inside it is named from there.
    """
    row: dict[str, Any] = {
        "id": job.id,
        "submission": job.submission,
        "kind": job.kind,
        "priority": job.priority,
        "state": job.state,
        "title": job.title,
        "request": None if job.request is None else _request_column(job.request, home),
        "arguments": json.dumps(list(job.arguments)) if job.arguments else None,
        "budget_usd": job.budget_usd,
        "owner": job.owner,
        "tier": job.tier,
        "created": job.created,
        **asdict(job.foreseen),
    }
    return recordable(row, f"the job {job.id}")


def job_of(row: Row, home: Path) -> QueuedJob:
    """The job of a row; one that cannot be understood has failed, and says so."""
    try:
        job = _parsed(row, home)
    except (KeyError, TypeError, ValueError, RecursionError):
        return _damaged(row)
    return job if fits(job, QueuedJob) and _is_whole(job) else _damaged(row)


def _parsed(row: Row, home: Path) -> QueuedJob:
    request, arguments = row["request"], row["arguments"]
    return QueuedJob(
        id=row["id"],
        submission=row["submission"],
        title=row["title"],
        kind=row["kind"],
        priority=row["priority"],
        request=None if request is None else _request_of(request, home),
        arguments=() if arguments is None else tuple(json.loads(arguments)),
        budget_usd=row["budget_usd"],
        state=row["state"],
        reason=row["reason"],
        hint=row["hint"],
        exit_code=row["exit_code"],
        paused_by=row["paused_by"],
        wish=row["wish"],
        owner=row["owner"],
        number=row["number"],
        tier=row["tier"],
        created=row["created"],
        foreseen=Foreseen(
            row["function"],
            row["model"],
            row["seconds"],
            row["cost_usd"],
            row["load_seconds"],
            row["load_cost_usd"],
        ),
    )


def _is_whole(job: QueuedJob) -> bool:
    if job.kind == "picture":
        return job.request is not None and job.request.id == job.id
    return bool(job.arguments)


def _damaged(row: Row) -> QueuedJob:
    number = row["number"]
    name = row["id"]
    return QueuedJob(
        id=name if fits(name, str) and name else f"#{number}",
        submission="",
        title="",
        state="failed",
        reason=DAMAGED,
        hint=DAMAGED_HINT,
        exit_code=8,
        number=number,
    )


def _request_column(request: Request, home: Path) -> str:
    said = asdict(request)
    said["out_dir"] = None if request.out_dir is None else place_column(request.out_dir, home)
    return json.dumps(said, allow_nan=False)


def _request_of(text: str, home: Path) -> Request:
    """Raises what no request can be made of: ValueError, TypeError, KeyError."""
    said = json.loads(text)
    policy, pool, folder = said.pop("policy"), said.pop("pool"), said.pop("out_dir")
    return Request(
        policy=Policy(policy["kind"], policy["value"]),
        pool=None if pool is None else tuple(pool),
        out_dir=None if folder is None else home / folder,
        **said,
    )
