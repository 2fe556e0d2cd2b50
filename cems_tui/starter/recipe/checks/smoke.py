"""A short evaluation of a pack: does it still draw what it drew when it was packed?

Every pipeline draws the same few prompts with the same seeds at its own settings, and the
pack's checker counts those that are complete. The manifest keeps the share of the day.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cems_tui.errors import WeightsError
from cems_tui.log import hush
from cems_tui.starter.manifest import Manifest
from cems_tui.starter.recipe.checks.checker import load_checker
from cems_tui.starter.recipe.checks.correctness import check
from cems_tui.starter.recipe.checks.measure import cases, generate
from cems_tui.starter.recipe.checks.results import CLASSES
from cems_tui.starter.recipe.checks.shares import Share
from cems_tui.starter.recipe.networks.architectures import load_pipeline

SEED = "smoke evaluation"
CHECKER = "checker"
TOLERANCE = 0.15
"""How far a share may fall: another processor rounds otherwise, and a picture at the edge
falls on the other side; a damaged pipeline draws nothing right."""


def recorded(manifest: Manifest) -> dict[str, Share]:
    """Pipeline → the share recorded when it was packed; empty for a pack without a checker.

    Raises:
        WeightsError: the record is not one.
    """
    if not manifest.of(CHECKER):
        return {}
    shares = {}
    try:
        for name, entry in manifest.pipelines.items():
            if kept := entry.get("smoke"):
                prompts = int(kept["prompts"])
                shares[name] = Share(round(float(kept["share"]) * prompts), prompts)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"the manifest's record of {name} cannot be read: {error}") from error
    return shares


def smoke(root: Path, prompts: int, pipelines: Mapping[str, Mapping[str, Any]]) -> dict[str, Share]:
    """Pipeline → the share of `prompts` that it draws completely, by the pack's checker."""
    hush()

    hush()
    checker = load_checker(root / CHECKER)
    asked = cases(-(-prompts // len(CLASSES)), SEED)[:prompts]
    shares = {}
    for name, entry in pipelines.items():
        pipeline = load_pipeline(root / name)
        steps, guidance = int(entry["steps"]), float(entry["guidance"])
        pictures, _ = generate(pipeline, [case.prompt for case in asked], steps, guidance)
        pairs = zip(asked, checker.look(pictures), strict=True)
        shares[name] = Share.over(
            check(case.scene, seen, checker.natural).complete for case, seen in pairs
        )
    return shares


def draws_as_recorded(root: Path, manifest: Manifest) -> dict[str, Share]:
    """Pipeline → its share now.

    Raises:
        WeightsError: a pipeline draws clearly worse than when it was packed.
    """
    due = recorded(manifest)
    found: dict[str, Share] = {}
    for prompts in {share.of for share in due.values()}:
        names = {n: manifest.pipelines[n] for n, share in due.items() if share.of == prompts}
        found.update(smoke(root, prompts, names))
    for name, share in found.items():
        if (share.value or 0.0) < (due[name].value or 0.0) - TOLERANCE:
            raise WeightsError(
                f"{name} draws {share.right} of {share.of} prompts right; "
                f"it drew {due[name].right} when the pack was made",
                "Reinstall cems-tui, and torch and diffusers in the versions it asks for.",
            )
    return found
