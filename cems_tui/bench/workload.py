"""What is left of a benchmark: which cells are drawn, which pictures are read, at what bill."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cems_tui.bench.bill import CellEstimate, DiskBill, held_together, picture_bytes, sum_known
from cems_tui.bench.gallery import Gallery, folder_name
from cems_tui.domain.bench import BenchPlan, Task, continued, making_of, refuse_changed
from cems_tui.domain.function import Catalog
from cems_tui.errors import UnknownName
from cems_tui.files import free_bytes
from cems_tui.paths import Paths
from cems_tui.services.planner import Planner
from cems_tui.services.scorers import Scorers
from cems_tui.settings import Benchmarks

if TYPE_CHECKING:
    from cems_tui.store.benches import Benches


@dataclass(frozen=True, slots=True)
class Work:
    """A benchmark with what is left of it."""

    plan: BenchPlan
    """The whole of it, what is done included."""

    planner: Planner
    able: tuple[str, ...]
    """Its functions that are installed."""

    tasks: tuple[Task, ...]
    """What is left of them, in the order it is done."""

    estimates: Mapping[str, CellEstimate]
    """Of every function that is installed."""

    groups: tuple[tuple[str, ...], ...]
    """Functions whose models the device holds together."""

    score_seconds: float | None
    """What reading the pictures should take; None where nothing like it was read yet."""

    cells_left_out: int
    """Cells of functions that are not installed any more."""

    unreadable: int
    """Cells without a metric of the plan, and without a picture to read it off."""

    @property
    def drawn(self) -> list[str]:
        """The function of every picture that has to be drawn."""
        return [task.key.function for task in self.tasks if task.picture is None]

    @property
    def reads(self) -> int:
        """How many kept pictures are read."""
        return sum(task.picture is not None for task in self.tasks)

    @property
    def gone(self) -> list[str]:
        """Its functions that are not installed any more."""
        return [name for name in self.plan.functions if name not in self.able]


class Stock:
    """The functions of a benchmark that can be drawn, while models come and go."""

    def __init__(
        self,
        work: Work,
        stamp: Callable[[], Hashable],
        catalog: Callable[[], Catalog],
        tell: Callable[[str], None],
    ) -> None:
        """The functions that could be drawn when the work was looked at.

        Args:
            stamp: equal while no model was pulled, imported or removed.
            catalog: the models as they are now.
            tell: told which functions have gone.
        """
        self._plan = work.plan
        self._able = frozenset(work.able)
        self._stamp, self._catalog, self._tell = stamp, catalog, tell
        self._seen = stamp()

    def able(self) -> frozenset[str]:
        """Those that can be drawn now.

        Raises:
            UsageError: one is not the function that the benchmark began with.
        """
        if (now := self._stamp()) != self._seen:
            self._seen = now
            catalog = self._catalog()
            found = {name: catalog.get(name) for name in self._able}
            there = {name: one for name, one in found.items() if one is not None and one.installed}
            for name, one in there.items():
                refuse_changed(self._plan, name, making_of(one))
            if gone := sorted(self._able - there.keys()):
                self._tell(f"{', '.join(gone)} not installed any more: the rest is drawn")
            self._able = frozenset(there)
        return self._able


def installed(planner: Planner, function: str) -> bool:
    """Whether a function can be drawn here; one that the catalog has lost cannot."""
    try:
        return planner.function(function).installed
    except UnknownName:
        return False


def estimate(planner: Planner, function: str) -> CellEstimate:
    """What one picture of a function should take on this machine."""
    known = planner.function(function)
    expected = planner.expected(known, known.width, known.height)
    return CellEstimate(
        expected.seconds,
        planner.pricing.of(expected).usd,
        expected.load_seconds,
        planner.pricing.load_usd(expected.load_seconds, expected.load_bytes, resident=False),
        expected.load_bytes,
        known.model.name,
    )


def work_of(
    plan: BenchPlan,
    old: BenchPlan | None,
    planner: Planner,
    scorers: Scorers,
    benches: Benches,
    *,
    resume: bool,
    retry_failed: bool,
) -> Work:
    """What is left to do of a plan.

    Args:
        old: the plan that has its name; None where the name is free.

    Raises:
        UsageError: the plans differ in what may not differ, or mixed has no ranges.
        ModelMissing: a metric cannot be read.
    """
    whole = plan if old is None else continued(old, plan, resume=resume)
    able = tuple(name for name in whole.functions if installed(planner, name))
    scorers.require(planner, whole.metrics, whole.functions)
    estimates = {name: estimate(planner, name) for name in able}
    groups = tuple(held_together(estimates, planner.weight_budget_bytes))
    kept = {} if old is None else benches.kept(whole.name)
    left = whole.tasks(kept, groups, retry_failed=retry_failed)
    tasks = tuple(task for task in left if task.picture is not None or task.key.function in able)
    return Work(
        plan=whole,
        planner=planner,
        able=able,
        tasks=tasks,
        estimates=estimates,
        groups=groups,
        score_seconds=_score_seconds(tasks, whole.metrics, benches),
        cells_left_out=len(left) - len(tasks),
        unreadable=whole.unreadable(kept),
    )


def _score_seconds(tasks: Sequence[Task], metrics: Sequence[str], benches: Benches) -> float | None:
    if not metrics:
        return 0.0
    typical = {
        name: benches.reading_seconds(name, metrics)
        for name in dict.fromkeys(task.key.function for task in tasks)
    }
    return sum_known(typical[task.key.function] for task in tasks)


def disk_of(
    work: Work, paths: Paths, kept: Benchmarks, benches: Benches, *, keeps: bool
) -> DiskBill | None:
    """What the pictures to come would hold on disk; None where none is kept."""
    if not keeps or kept.pictures == "none":
        return None

    def pixels(function: str) -> int:
        known = work.planner.function(function)
        return known.width * known.height

    size, bound = picture_bytes(work.drawn, benches.mean_picture_bytes, pixels)
    quota_left = kept.quota_bytes - benches.picture_bytes()
    return DiskBill(size, bound, quota_left, free_bytes(paths.bench_pictures))


def gallery_of(
    name: str, paths: Paths, kept: Benchmarks, benches: Benches, *, keeps: bool
) -> Gallery | None:
    """Where the pictures of a benchmark are kept; None where none is."""
    if not keeps or kept.pictures == "none":
        return None
    return Gallery(
        paths.database.parent,
        paths.bench_pictures / folder_name(name),
        "png" if kept.pictures == "png" else "webp",
        kept.quota_bytes - benches.picture_bytes(),
    )
