"""Which models are on the device: loaded when leased, the least recently used out first.

Weights are counted by content: what several models share is on the device once, and leaves
with the last of them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import RLock
from time import perf_counter, time

from cems_tui.domain.function import GenerationFunction, Model
from cems_tui.errors import OutOfMemory, WeightsError
from cems_tui.generation.admission import (
    Resident,
    Weights,
    admit,
    held_bytes,
    in_leaving_order,
)
from cems_tui.generation.device_status import Present
from cems_tui.generation.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Lease:
    """A pipeline that cannot be evicted while the lease lasts."""

    pipeline: Pipeline
    load_seconds: float
    """What loading took, `prepare` left out; 0.0 when the model was resident."""

    load_bytes: int
    """Bytes of weights that loading brought to the device: 0 when the model was resident, and
    without what it shares with a model that was."""


@dataclass(slots=True, eq=False)
class _Entry:
    model: Model
    pipeline: Pipeline
    since: float
    last_used: float
    leases: int = 0


class Residency:
    """Keeps models on the device under a budget of weight bytes.

    Keyed by model: the functions of one model share a pipeline. Loading, sizes and budget are
    passed in, so the whole of it runs without a device. Any thread may call; one at a time
    loads or evicts.
    """

    def __init__(
        self,
        budget_bytes: int,
        load: Callable[[GenerationFunction], Pipeline],
        expected: Callable[[GenerationFunction], Weights | None],
        prepare: Callable[[GenerationFunction], None] | None = None,
        hold: Callable[[Iterable[str]], object] | None = None,
        changed: Callable[[Sequence[Present]], None] | None = None,
        reclaim: Callable[[], None] | None = None,
        wanted: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        """A device with nothing on it.

        Args:
            budget_bytes: what all weights together may hold.
            load: brings a function's model to the device.
            expected: the weights it will hold by content, as far as known before loading.
                With None the model is let in and measured: it is on the device when it turns
                out that others have to leave for it.
            prepare: called before each load and not counted in its seconds, such as for
                importing libraries: a price of loading is that of moving weights.
            hold: keeps these weights on the device while its result is referenced, so that
                they are not loaded again when a model that shares them leaves for this one.
            changed: told what is on the device whenever a model comes, goes, or begins or ends
                to be used.
            reclaim: gives memory back to the system that is kept for the next load; called when
                a model left that makes way for no other.
            wanted: asked when something has to leave: the models that will be needed, in order.
        """
        self._budget_bytes = budget_bytes
        self._load = load
        self._expected = expected
        self._prepare = prepare
        self._hold = hold
        self._changed = changed
        self._reclaim = reclaim
        self._entering = False
        self._wanted = wanted
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._leaving: list[_Entry] = []  # freed while leased: still on the device
        self._weights: dict[Model, Weights] = {}  # expected, and measured once loaded
        self._lock = RLock()

    @contextmanager
    def lease(self, function: GenerationFunction) -> Iterator[Lease]:
        """The function's pipeline, loaded if need be; it stays until the block ends.

        Raises:
            OutOfMemory: it does not fit beside what is in use.
            CemsError: whatever `load` raises; then the model is not resident.
        """
        with self._lock:
            self._entering = True
            try:
                entry, lease = self._enter(function)
            finally:
                self._entering = False
            entry.leases += 1
            self._tell()
        try:
            yield lease
        finally:
            with self._lock:
                entry.leases -= 1
                entry.last_used = time()
                if entry in self._leaving and entry.leases == 0:
                    self._leaving.remove(entry)
                    entry.pipeline.close()
                    self._give_back()
                self._tell()

    def resident(self) -> frozenset[str]:
        """Names of the models on the device; does not wait for a load in progress."""
        return frozenset(self._entries.copy())

    def present(self) -> list[Present]:
        """Every model on the device, least recently used last, those that are leaving first."""
        with self._lock:
            return [_present(entry, leaving=True) for entry in self._leaving] + [
                _present(entry, leaving=False) for entry in reversed(self._entries.values())
            ]

    @property
    def held_bytes(self) -> int:
        """Bytes of weights on the device, each counted once."""
        with self._lock:
            return held_bytes(resident.weights for resident in self._residents())

    def fits(self, function: GenerationFunction) -> bool | None:
        """Whether the function's model could be let in now.

        None when its size is unknown, or cannot be told as its files are damaged: leasing it
        says what is wrong with them.
        """
        with self._lock:
            if function.model.name in self._entries:
                return True
            try:
                needed = self._needed(function)
            except WeightsError:
                return None
            if needed is None:
                return None
            return admit(self._residents(), needed, self._budget_bytes).fits

    def free(self, model: str) -> bool:
        """Take a model off the device, at the end of its lease if it is in use.

        Returns:
            Whether it was resident.
        """
        with self._lock:
            entry = self._entries.pop(model, None)
            if entry is not None:
                self._dismiss(entry)
                self._give_back()
                self._tell()
            return entry is not None

    def free_idle(self) -> bool:
        """Take every model off the device that is not in use; whether there was one."""
        with self._lock:
            idle = [name for name, entry in self._entries.items() if not entry.leases]
            for name in idle:
                self.free(name)
            return bool(idle)

    def close(self) -> None:
        """Take every model off the device."""
        with self._lock:
            for name in list(self._entries):
                self.free(name)

    def _enter(self, function: GenerationFunction) -> tuple[_Entry, Lease]:
        name = function.model.name
        entry = self._entries.get(name)
        if entry is not None and entry.model != function.model:
            self.free(name)  # the weights were replaced since
            entry = None
        if entry is not None:
            self._entries.move_to_end(name)
            return entry, Lease(entry.pipeline, 0.0, 0)
        needed = self._needed(function) or {}
        before = self._residents()
        kept = self._hold(needed) if self._hold is not None else None
        self._make_room(function, needed)
        if self._prepare is not None:
            self._prepare(function)
        started = perf_counter()
        pipeline = self._load_or_make_room(function)
        seconds = perf_counter() - started
        del kept
        weights = self._weights[function.model] = pipeline.weights
        try:
            self._make_room(function, weights)
        except BaseException:
            pipeline.close()
            raise
        entry = self._entries[name] = _Entry(function.model, pipeline, time(), time())
        shared = {key for resident in before for key in resident.weights}
        brought = sum(size for key, size in weights.items() if key not in shared)
        return entry, Lease(pipeline, seconds, brought)

    def _load_or_make_room(self, function: GenerationFunction) -> Pipeline:
        try:
            return self._load(function)
        except OutOfMemory:
            # The budget was too generous for this device; the last resort is an empty one.
            if not self.free_idle():
                raise
        return self._load(function)

    def _make_room(self, function: GenerationFunction, needed: Weights) -> None:
        admission = admit(self._residents(), needed, self._budget_bytes)
        if not admission.fits:
            in_use = held_bytes(r.weights for r in self._residents() if r.leased)
            raise OutOfMemory(
                f"{function.model.name} needs {_megabytes(held_bytes([needed]))}; "
                f"{_megabytes(in_use)} is in use and weights may hold "
                f"{_megabytes(self._budget_bytes)}"
            )
        if admission.evict and (wanted := self._wanted()):
            leaving = in_leaving_order(self._residents(), wanted)
            admission = admit(leaving, needed, self._budget_bytes)
        for name in admission.evict:
            self.free(name)

    def _residents(self) -> list[Resident]:
        return [
            Resident(entry.model.name, entry.pipeline.weights, entry.leases > 0)
            for entry in (*self._leaving, *self._entries.values())
        ]

    def _needed(self, function: GenerationFunction) -> Weights | None:
        if function.model not in self._weights:
            expected = self._expected(function)
            if expected is None:
                return None
            self._weights[function.model] = expected
        return self._weights[function.model]

    def _give_back(self) -> None:
        if self._reclaim is not None and not self._entering:
            self._reclaim()

    def _tell(self) -> None:
        if self._changed is not None:
            self._changed(self.present())

    def _dismiss(self, entry: _Entry) -> None:
        if entry.leases:
            self._leaving.append(entry)
        else:
            entry.pipeline.close()


def _present(entry: _Entry, *, leaving: bool) -> Present:
    return Present(
        model=entry.model.name,
        weights=entry.pipeline.weights,
        names=entry.pipeline.names,
        in_use=entry.leases > 0,
        leaving=leaving,
        since=entry.since,
        last_used=entry.last_used,
    )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
