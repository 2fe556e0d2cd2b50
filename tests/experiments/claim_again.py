"""The papers' claim on the pack, every figure from the score tables that are shipped.

`python -m tests.experiments.claim_again --home DIR [--out FILE]` trains the routers of the claim on
the prompts to learn from, and prints the table of the prompts to judge on: minutes, no picture is
drawn. What is trained stays in DIR, and a second call goes on; `--only LABEL` trains that router
and prints nothing. The tables are those that `tests.experiments.claim` draws.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from cems_tui.domain.decision import FeatureSet
from cems_tui.paths import checkpoints
from cems_tui.profile import Profile
from cems_tui.score_tables.formats import read_table
from cems_tui.score_tables.own import Scored
from cems_tui.scoring.clip import ClipScorer
from cems_tui.scoring.nima import NimaScorer
from cems_tui.scoring.nima_head import load_nima
from tests.experiments.claim_table import tabulate

EVIDENCE = checkpoints() / "evidence"
LEARNED, JUDGED = EVIDENCE / "pack-learned.parquet", EVIDENCE / "pack-judged.parquet"

ROUTERS: dict[str, tuple[str, FeatureSet]] = {
    "this program's ensemble, letters": ("ensemble", "instant"),
    "this program's ensemble, text": ("ensemble", "text"),
    "CEMS": ("cems", "clip"),
    "CATImage-kNN, words": ("knn", "instant"),
    "CATImage-kNN, encoder": ("knn", "text"),
    "CATImage-learned": ("transformer", "clip"),
}
"""What each row of the table is: kind and features."""


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learned", type=Path, default=LEARNED, help="prompts to learn from")
    parser.add_argument("--judged", type=Path, default=JUDGED, help="prompts to judge on")
    parser.add_argument("--home", type=Path, required=True, help="a folder that keeps the routers")
    parser.add_argument("--only", action="append", choices=ROUTERS, help="train that one alone")
    parser.add_argument("--out", type=Path, help="everything as JSON")
    chosen = parser.parse_args(arguments)
    os.environ["CEMS_HOME"] = str(chosen.home)
    profile = Profile.current()
    folder = profile.pack / "scorers"
    scorers = {
        "nima": NimaScorer(folder / "nima", load_nima).id,
        "clip": ClipScorer(folder / "clip").id,
    }
    scored = Scored(read_table(chosen.learned), scorers, {})
    names = {label: f"claim-{number}" for number, label in enumerate(ROUTERS)}
    for label in chosen.only or ROUTERS:
        if names[label] not in profile.trainer.names():
            kind, features = ROUTERS[label]
            profile.trainer.learn(scored, names[label], kind, "mixed", _tell, features)
    if chosen.only:
        return
    routers = {label: Profile.current().shelf().named(name) for label, name in names.items()}
    for label, router in routers.items():
        for text in router.card.evaluation.get("training_notes", ()):
            print(f"{label}: {text}", flush=True)
    tabulate(read_table(chosen.judged), routers, chosen.out)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
