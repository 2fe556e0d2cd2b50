"""Builds the scorers: the pack's, each file of theirs checked first, and the pulled ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cems_tui import paths
from cems_tui.catalog import catalog
from cems_tui.domain.score import METRIC as MIXED
from cems_tui.domain.score import MixedConstants, MixedScale
from cems_tui.errors import ModelMissing, UsageError
from cems_tui.models.ledger import RESERVED, Entry, Ledger
from cems_tui.scoring.instruments import LineUp, line_up, metrics_of, ranges_of
from cems_tui.services.planner import Planner

if TYPE_CHECKING:
    from cems_tui.domain.score import Score, Scorer
    from cems_tui.scoring.instruments import Instrument
    from cems_tui.scoring.panel import MixedReading, Panel, Seating


def scorer_panel(planner: Planner) -> Panel:
    """The scorers of what is generated: by whose picture it is, and what the settings name."""
    from cems_tui.scoring.panel import Panel

    metrics = metrics_of(planner.settings["quality.metrics"])

    def seating(model: str) -> Seating:
        found = _line_up(planner, metrics, pack_pictures=model.startswith(RESERVED))
        return _seated(planner, found)

    return Panel(seating, lambda scores: mixed_scales(planner, scores), metrics)


def bench_panel(planner: Planner, metrics: Sequence[str], functions: Sequence[str]) -> Panel:
    """The scorers of a benchmark: the same for all its pictures, whichever model drew them.

    Raises:
        as `require`.
    """
    from cems_tui.scoring.panel import Panel

    found = _seated(planner, require(planner, metrics, functions))
    return Panel(lambda model: found, lambda scores: mixed_scales(planner, scores), metrics)


def require(planner: Planner, metrics: Sequence[str], functions: Sequence[str]) -> LineUp:
    """The instruments of a benchmark.

    Raises:
        ModelMissing: the weights that read one of the metrics are not installed.
        UsageError: mixed is wanted, and nobody says between which ranges.
    """
    models = [planner.function(name).model.name for name in functions]
    found = _line_up(
        planner, metrics, pack_pictures=all(name.startswith(RESERVED) for name in models)
    )
    if found.missing:
        pull = " and ".join(dict.fromkeys(one.hint for one in found.missing))
        raise ModelMissing(
            f"{', '.join(one.metric for one in found.missing)} cannot be read: "
            "the weights are not installed",
            f"Run {pull}, or choose others with --metrics.",
        )
    if MIXED in metrics and mixed_ranges(planner, found) is None:
        raise UsageError(
            "mixed cannot be read: no router was trained on these scorers' readings, so nobody "
            "says between which ranges NIMA and CLIP lie",
            'Read nima and clip alone, or set quality.mixed to "NIMA_MIN,NIMA_MAX,CLIP_MIN,'
            'CLIP_MAX".',
        )
    return found


def mixed_ranges(planner: Planner, found: LineUp) -> MixedConstants | None:
    """The constants of the mixed score of these instruments; None where there are none."""
    ledger = Ledger.read(paths.current().models)
    names = {one.metric: f"{one.name}:{_digest(one, ledger)}" for one in found.instruments}
    if not {"nima", "clip"} <= set(names):
        return None
    own = ranges_of(planner.settings["quality.mixed"])
    if own is not None:
        return own
    checkpoint = planner.default_router()
    if checkpoint is None or checkpoint.card.mixed is None:
        return None
    scorers = checkpoint.card.scorers
    same = all(scorers.get(metric) == names[metric] for metric in ("nima", "clip"))
    return MixedConstants.of(checkpoint.card.mixed) if same else None


def mixed_scales(planner: Planner, scores: Sequence[Score]) -> Sequence[MixedReading]:
    """CEMS's mixed score: the ranges of the settings, else of the router that routes here."""
    from cems_tui.scoring.panel import MixedReading

    own = ranges_of(planner.settings["quality.mixed"])
    if own is not None:
        read = {score.metric: score.scorer for score in scores}
        if not {"nima", "clip"} <= set(read):
            return ()
        return (MixedReading(MixedScale(read["nima"], read["clip"], own)),)
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


def _line_up(planner: Planner, metrics: Sequence[str], *, pack_pictures: bool) -> LineUp:
    ledger = Ledger.read(paths.current().models)
    pack = catalog.StarterPack.at()
    return line_up(
        metrics,
        pack_pictures=pack_pictures,
        named={
            "nima": planner.settings["quality.nima"],
            "clip": planner.settings["quality.clip"],
        },
        installed=lambda name: _Weights.of(name, ledger) is not None,
        pack_scorers=all(pack.folder(f"scorers/{name}") for name in ("nima", "clip")),
    )


def _seated(planner: Planner, found: LineUp) -> Seating:
    from cems_tui.scoring.panel import Seat, Seating

    device = planner.settings["quality.device"]
    return Seating(
        tuple(Seat(one.name, partial(_load, one, device)) for one in found.instruments),
        tuple(str(one) for one in found.missing),
    )


@dataclass(frozen=True, slots=True)
class _Weights:
    """An installed model that an instrument reads."""

    entry: Entry
    folder: Path

    @classmethod
    def of(cls, name: str, ledger: Ledger) -> _Weights | None:
        """The model of that name; None when it is not installed."""
        entry = ledger.entries.get(name)
        folder = None if entry is None else ledger.present(entry)
        return None if entry is None or folder is None else cls(entry, folder)

    @property
    def digest(self) -> str | None:
        """`sha256:…` of its weights file as recorded; None of several, or where it is not."""
        known = [file.sha256 for file in self.entry.files if file.path.endswith(".safetensors")]
        return f"sha256:{known[0]}" if len(known) == 1 and known[0] is not None else None

    @property
    def source(self) -> str:
        return self.entry.repo or ""


def _digest(one: Instrument, ledger: Ledger) -> str | None:
    """The digest in an instrument's id, without reading its weights; None when not recorded."""
    if one.in_pack:
        from cems_tui.scoring import nima, open_clip_tower

        files = {"nima": nima.WEIGHTS_FILE, "clip": open_clip_tower.WEIGHTS_FILES[0]}
        row = catalog.StarterPack.at().files.get(f"scorers/{one.metric}/{files[one.metric]}", {})
        return f"sha256:{row['sha256']}" if "sha256" in row else None
    found = [_Weights.of(name, ledger) for name in one.weights]
    digests = [None if weights is None else weights.digest for weights in found]
    return digests[0] if len(digests) == 1 else None


def _load(one: Instrument, wanted_device: str) -> Scorer:
    """The instrument, ready to read.

    Raises:
        WeightsError: its weights are missing, damaged, or another network's.
        OutOfMemory: no device has room for it.
    """
    if one.in_pack:
        return _load_own(one)
    if not one.weights:
        from cems_tui.scoring.sharpness import SharpnessScorer

        return SharpnessScorer()
    return _load_large(one, wanted_device)


def _load_own(one: Instrument) -> Scorer:
    from cems_tui.scoring.clip import ClipScorer
    from cems_tui.scoring.nima import NimaScorer

    folder = verified_component(f"scorers/{one.metric}")
    return NimaScorer(folder) if one.metric == "nima" else ClipScorer(folder)


def _load_large(one: Instrument, wanted_device: str) -> Scorer:
    from cems_tui.scoring.aesthetic import AestheticScorer, joint_digest
    from cems_tui.scoring.clip import ClipScorer, PickScorer
    from cems_tui.scoring.nima_network import PyiqaNimaScorer
    from cems_tui.scoring.runtime import chosen_device, free_device_bytes

    ledger = Ledger.read(paths.current().models)
    found = [weights for name in one.weights if (weights := _Weights.of(name, ledger))]
    if len(found) < len(one.weights):
        raise ModelMissing(f"the weights of {one.name} are not installed any more")
    held = sum(weights.entry.total_bytes for weights in found)
    device = chosen_device(wanted_device, held, free_device_bytes())
    first, last = found[0], found[-1]
    if one.metric == "nima":
        return PyiqaNimaScorer(first.folder, name=one.name, device=device, digest=first.digest)
    if one.metric == "pickscore":
        return PickScorer(first.folder, name=one.name, device=device, digest=first.digest)
    if one.metric == "clip":
        return ClipScorer(
            first.folder, name=one.name, device=device, digest=first.digest, source=first.source
        )
    joint = None
    if first.digest is not None and last.digest is not None:
        joint = joint_digest(first.digest, last.digest)
    return AestheticScorer(
        first.folder, last.folder, name=one.name, device=device, digest=joint, source=last.source
    )
