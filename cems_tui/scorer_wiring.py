"""Builds the scorers of the pack, each file of theirs checked first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cems_tui import catalog, paths
from cems_tui.planner import Planner

if TYPE_CHECKING:
    from cems_tui.quality.panel import MixedReading, Panel
    from cems_tui.quality.score import Scorer


def scorer_panel(planner: Planner) -> Panel | None:
    """The scorers at hand; None when the pack has none."""
    from cems_tui.quality.panel import Panel

    pack = catalog.StarterPack.at()
    if pack.folder("scorers/nima") is None or pack.folder("scorers/clip") is None:
        return None
    return Panel((_load_nima, _load_clip), lambda: mixed_scales(planner))


def _load_nima() -> Scorer:
    from cems_tui.quality.nima import NimaScorer

    return NimaScorer(verified_component("scorers/nima"))


def _load_clip() -> Scorer:
    from cems_tui.quality.clip_score import ClipScorer

    return ClipScorer(verified_component("scorers/clip"))


def mixed_scales(planner: Planner) -> Sequence[MixedReading]:
    """CEMS's mixed score with the constants of the router that routes the installed functions."""
    from cems_tui.quality.mixed import MixedConstants, MixedScale
    from cems_tui.quality.panel import MixedReading

    checkpoint = planner.default_router()
    if checkpoint is None or checkpoint.card.mixed is None:
        return ()
    ranges, scorers = checkpoint.card.mixed, checkpoint.card.scorers
    nima, clip = scorers.get("nima"), scorers.get("clip")
    if nima is None or clip is None:
        return ()
    return (MixedReading(MixedScale(nima, clip, MixedConstants.of(ranges))),)


def verified_component(name: str) -> Path:
    """The pack component's folder, every file of it checked against the manifest."""
    from cems_tui.starter.manifest import verify

    root = paths.checkpoints() / "starter"
    verify(root, only=[name])
    return root / name
