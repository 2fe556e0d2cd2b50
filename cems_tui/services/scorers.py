"""Chooses the scorers: the pack's, each file of theirs checked first, and the pulled ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cems_tui.catalog.catalog import StarterPack
from cems_tui.domain.score import METRIC as MIXED
from cems_tui.domain.score import MixedConstants, MixedScale, Score
from cems_tui.errors import ModelMissing, UsageError, WeightsError
from cems_tui.generation.meter import trim_heap
from cems_tui.generation.residency import Residency, Tenant
from cems_tui.generation.weight_files import BYTES_PER_FLOAT, read_header
from cems_tui.models.ledger import RESERVED, Entry, Ledger
from cems_tui.scoring.aesthetic import AestheticScorer, joint_digest
from cems_tui.scoring.clip import ClipScorer, PickScorer
from cems_tui.scoring.instruments import Instrument, LineUp, line_up, metrics_of, ranges_of
from cems_tui.scoring.nima_network import PyiqaNimaScorer
from cems_tui.scoring.panel import (
    LazyScorer,
    MixedReading,
    Panel,
    Scorer,
    ScorerChoice,
    ScorerRoom,
)
from cems_tui.scoring.runtime import chosen_device, free_device_bytes, release_device
from cems_tui.scoring.sharpness import SharpnessScorer
from cems_tui.services.planner import Planner
from cems_tui.settings import Quality


@dataclass(frozen=True, slots=True)
class Scorers:
    """The instruments at hand, as the user configured them."""

    ledger: Callable[[], Ledger]
    """What is recorded of the pulled models, as things are now."""

    pack: StarterPack
    quality: Quality
    own: Callable[[str], Scorer]
    """The starter pack's instrument for a metric, its files checked first."""

    def panel(self, planner: Planner, room: ScorerRoom | None = None) -> Panel:
        """The scorers of what is generated: by whose picture it is, and what the settings name."""
        metrics = metrics_of(self.quality.metrics)

        def choose(model: str) -> ScorerChoice:
            return self._choice(self._line_up(metrics, pack_pictures=model.startswith(RESERVED)))

        return Panel(choose, lambda scores: self.mixed_scales(planner, scores), metrics, room)

    def bench_panel(
        self,
        planner: Planner,
        metrics: Sequence[str],
        functions: Sequence[str],
        room: ScorerRoom | None = None,
    ) -> Panel:
        """The scorers of a benchmark: the same for all its pictures, whichever model drew them.

        Raises:
            as `require`.
        """
        choice = self._choice(self.require(planner, metrics, functions))
        return Panel(
            lambda model: choice, lambda scores: self.mixed_scales(planner, scores), metrics, room
        )

    def stranger_panel(
        self, planner: Planner, metrics: Sequence[str], tell: Callable[[str], None]
    ) -> Panel | None:
        """The scorers at hand for pictures of models that are not known here; None without any.

        Args:
            tell: told of what cannot be read.
        """
        found = self._line_up(metrics, pack_pictures=False)
        for missing in found.missing:
            tell(str(missing))
        if not found.instruments:
            return None
        choice = self._choice(found)
        return Panel(
            lambda model: choice, lambda scores: self.mixed_scales(planner, scores), metrics
        )

    def require(self, planner: Planner, metrics: Sequence[str], functions: Sequence[str]) -> LineUp:
        """The instruments of a benchmark.

        Raises:
            ModelMissing: the weights that read one of the metrics are not installed.
            UsageError: mixed is wanted, and nobody says between which ranges.
        """
        models = [_model_of(planner, name) for name in functions]
        found = self._line_up(
            metrics, pack_pictures=all(name.startswith(RESERVED) for name in models)
        )
        if found.missing:
            pull = " and ".join(dict.fromkeys(one.hint for one in found.missing))
            raise ModelMissing(
                f"{', '.join(one.metric for one in found.missing)} cannot be read: "
                "the weights are not installed",
                f"Run {pull}, or choose others with --metrics.",
            )
        if MIXED in metrics and self.mixed_ranges(planner, found) is None:
            raise UsageError(
                "mixed cannot be read: no router was trained on these scorers' readings, so "
                "nobody says between which ranges NIMA and CLIP lie",
                'Read nima and clip alone, or set quality.mixed to "NIMA_MIN,NIMA_MAX,CLIP_MIN,'
                'CLIP_MAX".',
            )
        return found

    def mixed_ranges(self, planner: Planner, found: LineUp) -> MixedConstants | None:
        """The constants of the mixed score of these instruments; None where there are none."""
        ledger = self.ledger()
        names = {one.metric: f"{one.name}:{self._digest(one, ledger)}" for one in found.instruments}
        if not {"nima", "clip"} <= set(names):
            return None
        own = ranges_of(self.quality.mixed)
        if own is not None:
            return own
        checkpoint = planner.default_router()
        if checkpoint is None or checkpoint.card.mixed is None:
            return None
        scorers = checkpoint.card.scorers
        same = all(scorers.get(metric) == names[metric] for metric in ("nima", "clip"))
        return MixedConstants.of(checkpoint.card.mixed) if same else None

    def mixed_scales(self, planner: Planner, scores: Sequence[Score]) -> Sequence[MixedReading]:
        """CEMS's mixed score: the ranges of the settings, else of the router that routes here."""
        own = ranges_of(self.quality.mixed)
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

    def _line_up(self, metrics: Sequence[str], *, pack_pictures: bool) -> LineUp:
        ledger = self.ledger()
        return line_up(
            metrics,
            pack_pictures=pack_pictures,
            named={"nima": self.quality.nima, "clip": self.quality.clip},
            installed=lambda name: _Weights.of(name, ledger) is not None,
            pack_scorers=all(self.pack.folder(f"scorers/{name}") for name in ("nima", "clip")),
        )

    def _choice(self, found: LineUp) -> ScorerChoice:
        return ScorerChoice(
            tuple(
                LazyScorer(one.name, partial(self._load, one), self._weight_bytes(one))
                for one in found.instruments
            ),
            tuple(str(one) for one in found.missing),
        )

    def _weight_bytes(self, one: Instrument) -> int | None:
        """What an instrument's weights will hold, by the headers of its files, in the widest
        precision it reads in; None where they do not tell: loading it says what is wrong."""
        if not (one.weights or one.in_pack):
            return 0
        ledger = self.ledger()
        folders = (
            [self.pack.folder(f"scorers/{one.metric}")]
            if one.in_pack
            else [None if (w := _Weights.of(n, ledger)) is None else w.folder for n in one.weights]
        )
        total = 0
        for folder in folders:
            files = [] if folder is None else sorted(folder.glob("*.safetensors"))[:1]
            if not files:
                return None
            try:
                total += read_header(files[0]).loaded_bytes(BYTES_PER_FLOAT["float32"])
            except WeightsError:
                return None
        return total

    def _digest(self, one: Instrument, ledger: Ledger) -> str | None:
        """The digest in an instrument's id, without reading its weights; None when not recorded."""
        if one.in_pack:
            return self.pack.weights_digest(f"scorers/{one.metric}")
        found = [_Weights.of(name, ledger) for name in one.weights]
        digests = [None if weights is None else weights.digest for weights in found]
        return digests[0] if len(digests) == 1 else None

    def _load(self, one: Instrument) -> Scorer:
        """The instrument, ready to read.

        Raises:
            WeightsError: its weights are missing, damaged, or another network's.
            OutOfMemory: no device has room for it.
        """
        if one.in_pack:
            return self.own(one.metric)
        if not one.weights:
            return SharpnessScorer()
        ledger = self.ledger()
        found = [weights for name in one.weights if (weights := _Weights.of(name, ledger))]
        if len(found) < len(one.weights):
            raise ModelMissing(f"the weights of {one.name} are not installed any more")
        held = sum(weights.entry.total_bytes for weights in found)
        return _large(one, found, chosen_device(self.quality.device, held, free_device_bytes()))


def _model_of(planner: Planner, function: str) -> str:
    """Whose pictures those of a function are; of one that is gone its name says it."""
    known = planner.catalog.get(function)
    return function.rpartition("@")[0] if known is None else known.model.name


class SharedRoom:
    """Keeps instruments in the ledger of the device, beside the models that draw."""

    def __init__(self, residency: Residency) -> None:
        self._residency = residency

    @contextmanager
    def lend(self, lazy: LazyScorer) -> Iterator[Scorer]:
        """As `ScorerRoom.lend`: what is idle leaves for it, other instruments first."""
        expected = None if lazy.weight_bytes is None else {_key(lazy.name): lazy.weight_bytes}
        tenant: Tenant[_Held] = Tenant(
            lazy.name, "scorer", lambda: expected, lambda: _Held(lazy.name, lazy.load())
        )
        with self._residency.lend(tenant) as held:
            yield held.scorer

    def free(self) -> tuple[str, ...]:
        """As `ScorerRoom.free`."""
        return self._residency.free_idle("scorer")


def _key(name: str) -> str:
    return f"scorer:{name}"


class _Held:
    """An instrument as the ledger knows it."""

    def __init__(self, name: str, scorer: Scorer) -> None:
        self._loaded: Scorer | None = scorer
        self.weights = {_key(name): scorer.weight_bytes}
        self.names = {_key(name): name}

    @property
    def scorer(self) -> Scorer:
        """The instrument, while it is on the device."""
        assert self._loaded is not None, "a lent instrument is not closed"
        return self._loaded

    def close(self) -> None:
        """Leave the device."""
        self._loaded = None
        release_device()
        trim_heap()


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


def _large(one: Instrument, found: Sequence[_Weights], device: str) -> Scorer:
    """An instrument of pulled weights, on a device."""
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
