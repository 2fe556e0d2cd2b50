"""Prints one row a ratio; `--json` prints one array. Names choose rows by their beginning."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

Rows = list[dict[str, Any]]


def _route_latency() -> Rows:
    from tests.benchmarks import plan_latency

    return [plan_latency.run()]


def _help_startup() -> Rows:
    from tests.benchmarks import help_startup

    return [help_startup.run()]


def _first_paint() -> Rows:
    from tests.benchmarks import first_paint

    return first_paint.run()


def _generate_step() -> Rows:
    from tests.benchmarks import after_the_step, generate_step

    return [generate_step.run(), *after_the_step.run()]


def _start() -> Rows:
    from tests.benchmarks import first_picture

    return first_picture.run()


def _pack() -> Rows:
    from tests.benchmarks import pack

    return [pack.size(), *pack.seconds()]


def _pull() -> Rows:
    from tests.benchmarks import pull

    return [pull.run()]


def _picks() -> Rows:
    from tests.benchmarks import picks

    return picks.run()


def _foresight() -> Rows:
    from tests.benchmarks import foresight

    return foresight.run()


def _queue() -> Rows:
    from tests.benchmarks import queue_pictures, queue_replay

    return [*queue_replay.run(), *queue_pictures.run()]


def _residency() -> Rows:
    from tests.benchmarks import residency

    return residency.run()


def _table() -> Rows:
    from tests.benchmarks import score_table

    return score_table.run()


def _history() -> Rows:
    from tests.benchmarks import history

    return history.run()


def _gallery() -> Rows:
    from tests.benchmarks import gallery

    return gallery.run()


BENCHMARKS: dict[str, Callable[[], Rows]] = {
    "route": _route_latency,
    "help": _help_startup,
    "first-paint": _first_paint,
    "generate": _generate_step,
    "start": _start,
    "pack": _pack,
    "pull": _pull,
    "table": _table,
    "picks": _picks,
    "gallery": _gallery,
    "foresight": _foresight,
    "residency": _residency,
    "history": _history,
    "queue": _queue,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--json", action="store_true", help="print one array")
    options = parser.parse_args()
    chosen = [
        name
        for name in BENCHMARKS
        if not options.names or any(name.startswith(given) for given in options.names)
    ]
    if not chosen:
        parser.error(f"there is no such benchmark; known: {', '.join(BENCHMARKS)}")
    rows: Rows = []
    for name in chosen:
        print(f"measuring {name} …", file=sys.stderr)
        rows.extend(BENCHMARKS[name]())
    if options.json:
        print(json.dumps(rows, indent=1))
    else:
        for row in rows:
            print(_line(row))
    return 0


def _line(row: dict[str, Any]) -> str:
    value = "—" if row["value"] is None else f"{row['value']:.4g}"
    spread = "" if row["ci95"] is None else f" [{row['ci95'][0]:.4g}, {row['ci95'][1]:.4g}]"
    bar = "" if row["bar"] is None else f"  bar {row['bar']:g}"
    control = "" if row["control"] is None else f"  control {row['control']:.4g}"
    return f"{row['status']:<10} {row['name']} / {row['peer']}: {value}{spread}{bar}{control}"


if __name__ == "__main__":
    raise SystemExit(main())
