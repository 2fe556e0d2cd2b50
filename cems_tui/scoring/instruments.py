"""Which instrument reads which metric off whose pictures. Pure.

The starter pack's own small scorers read the starter pack's pictures; those of other models are
read by the large ones, as far as they are installed. What the user names reads every picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cems_tui.domain.score import METRIC as MIXED
from cems_tui.domain.score import MixedConstants
from cems_tui.errors import UnknownName, UsageError

MIXED_PARTS = ("nima", "clip")


@dataclass(frozen=True, slots=True)
class Instrument:
    """One way to read a metric."""

    name: str
    """What its id begins with; of one whose weights are pulled, the model's name."""

    metric: str
    weights: tuple[str, ...] = ()
    """The models it reads, all of which must be installed."""

    in_pack: bool = False
    """Whether it comes with the starter pack, and was trained on its pictures."""


INSTRUMENTS = (
    Instrument("starter-nima", "nima", in_pack=True),
    Instrument("starter-clip", "clip", in_pack=True),
    Instrument("nima", "nima", ("nima",)),
    Instrument("nima-inception", "nima", ("nima-inception",)),
    Instrument("clip-vit-g-14", "clip", ("clip-vit-g-14",)),
    Instrument("clip-vit-b-32", "clip", ("clip-vit-b-32",)),
    Instrument("laion-aesthetic", "aesthetic", ("laion-aesthetic", "clip-vit-l-14")),
    Instrument("pickscore", "pickscore", ("pickscore",)),
    Instrument("sharpness", "sharpness"),
)
"""Of several for a metric the first that is installed is taken."""

_MEND_PACK = "`cems starter verify`"
"""What helps where only the starter pack's own instrument would do."""

METRICS = (*dict.fromkeys(one.metric for one in INSTRUMENTS), MIXED)


@dataclass(frozen=True, slots=True)
class Missing:
    """A metric that nothing at hand reads."""

    metric: str
    pull: tuple[str, ...]
    """The models to pull, so that it is read."""

    def __str__(self) -> str:
        return f"{self.metric} is not read: its weights are not installed ({self.hint})"

    @property
    def hint(self) -> str:
        """The commands that fetch what is missing."""
        return " and ".join(f"`cems pull {name}`" for name in self.pull) or _MEND_PACK


@dataclass(frozen=True, slots=True)
class LineUp:
    """The instruments that read a model's pictures, and what none reads."""

    instruments: tuple[Instrument, ...]
    missing: tuple[Missing, ...]


def line_up(
    metrics: Sequence[str],
    *,
    pack_pictures: bool,
    named: Mapping[str, str],
    installed: Callable[[str], bool],
    pack_scorers: bool,
) -> LineUp:
    """Who reads these metrics.

    Args:
        metrics: those wanted; `mixed` brings nima and clip with it.
        pack_pictures: whether all pictures are the starter pack's.
        named: the instrument the user chose, by metric; it reads every picture.
        installed: whether a model's weights are here.
        pack_scorers: whether the starter pack's scorers are here.
    """
    found: list[Instrument] = []
    missing: list[Missing] = []
    for metric in needed(metrics):
        able = _able(metric, named.get(metric, ""), pack_pictures)
        here = [
            one
            for one in able
            if (pack_scorers if one.in_pack else all(map(installed, one.weights)))
        ]
        if here:
            found.append(here[0])
            continue
        first = next((one for one in able if not one.in_pack), None)
        lacking = () if first is None else first.weights
        missing.append(Missing(metric, tuple(name for name in lacking if not installed(name))))
    return LineUp(tuple(found), tuple(missing))


def needed(metrics: Sequence[str]) -> list[str]:
    """The metrics that instruments read so that these can be told."""
    parts = MIXED_PARTS if MIXED in metrics else ()
    return [metric for metric in dict.fromkeys((*metrics, *parts)) if metric != MIXED]


def _able(metric: str, named: str, pack_pictures: bool) -> list[Instrument]:
    """The instruments that may read a metric, the preferred one first."""
    able = [one for one in INSTRUMENTS if one.metric == metric]
    if named:
        return [one for one in able if one.name == named]
    return [one for one in able if pack_pictures or not one.in_pack]


def instruments_of(metric: str) -> tuple[str, ...]:
    """The names of the instruments that read a metric."""
    return tuple(one.name for one in INSTRUMENTS if one.metric == metric)


def metrics_of(text: str) -> tuple[str, ...]:
    """The metrics of a list with commas, each once.

    Raises:
        UnknownName: one is no metric.
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in METRICS:
            raise UnknownName.of("metric", name, METRICS)
    return names


def ranges_of(text: str) -> MixedConstants | None:
    """The ranges of a mixed score, `NIMA_MIN,NIMA_MAX,CLIP_MIN,CLIP_MAX`; None of an empty text.

    Raises:
        UsageError: they are not four numbers, or a range is empty.
    """
    if not text.strip():
        return None
    try:
        lowest_nima, highest_nima, lowest_clip, highest_clip = map(float, text.split(","))
    except ValueError:
        raise UsageError(
            f"{text!r} is not the ranges of a mixed score",
            'Write four numbers: "NIMA_MIN,NIMA_MAX,CLIP_MIN,CLIP_MAX".',
        ) from None
    return MixedConstants(lowest_nima, highest_nima, lowest_clip, highest_clip)
