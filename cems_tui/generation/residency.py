"""What holds weights on the device: loaded when leased, the least recently used out first.

Models that draw and instruments that read pictures stand in one ledger. Weights are counted by
content: what several share is on the device once, and leaves with the last of them. At every
lease it is asked how much of the device can be had now, as others use it too.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import RLock
from time import perf_counter, sleep, time
from typing import Any, Generic, Protocol, TypeVar

from cems_tui.domain.function import GenerationFunction
from cems_tui.errors import OutOfMemory, WeightsError
from cems_tui.generation.admission import (
    Kind,
    Resident,
    Weights,
    admit,
    held_bytes,
    in_leaving_order,
    weights_allowed,
)
from cems_tui.generation.device import Device
from cems_tui.generation.device_status import Present
from cems_tui.generation.pipeline import Pipeline

SHOWN_SHARE = 0.75
"""Of what was freed, what the device must show before more is loaded."""

SHOW_SECONDS = 5.0
"""How long it is waited for; a driver takes up to a second or two."""

POLL_SECONDS = 0.05

LEAST_FREE_SHARE = 0.02
"""Share of the device below which what is idle leaves: somebody else needs the memory."""


class Holder(Protocol):
    """Weights on the device."""

    @property
    def weights(self) -> Mapping[str, int]:
        """Device bytes by content: equal keys are the same memory."""
        ...

    @property
    def names(self) -> Mapping[str, str]:
        """What each network is called in it, by content."""
        ...

    def close(self) -> None:
        """Leave the device. Safe to call twice."""
        ...


H = TypeVar("H", bound=Holder)


@dataclass(frozen=True, slots=True)
class Tenant(Generic[H]):
    """What may be brought to the device."""

    name: str
    kind: Kind
    expected: Callable[[], Weights | None]
    """What it will hold by content, as far as known before loading."""

    load: Callable[[], H]
    identity: Hashable = None
    """Of another identity it is loaded afresh under the same name."""


@dataclass(frozen=True, slots=True)
class PartByPart:
    """How a model is drawn with that the device does not hold whole."""

    load: Callable[[GenerationFunction], Pipeline]
    expected: Callable[[GenerationFunction], Weights | None]
    """What it holds of the device while it is drawn with."""


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
    tenant: Tenant[Any]
    holder: Holder
    expected: Weights
    since: float
    last_used: float
    leases: int = 0

    @property
    def resident(self) -> Resident:
        return Resident(self.tenant.name, self.holder.weights, self.leases > 0, self.tenant.kind)


class Residency:
    """Keeps weights on the device within what can be had of it.

    Keyed by name: the functions of one model share a pipeline. Loading, sizes, the cap and the
    device are passed in, so the whole of it runs without one. Any thread may call; one at a time
    loads or evicts.
    """

    def __init__(
        self,
        cap_bytes: int | None,
        load: Callable[[GenerationFunction], Pipeline],
        expected: Callable[[GenerationFunction], Weights | None],
        prepare: Callable[[GenerationFunction], None] | None = None,
        hold: Callable[[Iterable[str]], object] | None = None,
        changed: Callable[[Sequence[Present]], None] | None = None,
        reclaim: Callable[[], None] | None = None,
        room: Callable[[], Device] | None = None,
        wanted: Callable[[], Sequence[str]] = tuple,
        wait: Callable[[float], None] = sleep,
        part_by_part: PartByPart | None = None,
    ) -> None:
        """A device with nothing on it.

        Args:
            cap_bytes: what all weights together may hold at most; None: what can be had.
            load: brings a function's model to the device.
            expected: the weights it will hold by content, as far as known before loading.
                With None the model is let in and measured: it is on the device when it turns
                out that others have to leave for it.
            prepare: called before each load and not counted in its seconds, such as for
                importing libraries: a price of loading is that of moving weights.
            hold: keeps these weights on the device while its result is referenced, so that
                they are not loaded again when a model that shares them leaves for this one.
            changed: told what is on the device whenever something comes, goes, or begins or ends
                to be used.
            reclaim: gives memory back to the system that is kept for the next load; called when
                a load is over, and when a model left that makes way for no other.
            room: what of the device can be had now, asked at every lease; None asks nobody, and
                the cap alone counts.
            wanted: asked when something has to leave: what will be needed, in order.
            wait: sleeps so many seconds.
            part_by_part: for what is too large for the device; None where that is not done.
        """
        self._cap_bytes = cap_bytes
        self._load = load
        self._expected = expected
        self._prepare = prepare
        self._hold = hold
        self._changed = changed
        self._reclaim = reclaim
        self._entering = False
        self._awaited_bytes: int | None = None
        """What the device will have free once it shows what left it."""

        self._room = room
        self._wanted = wanted
        self._wait = wait
        self._part_by_part = part_by_part
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._leaving: list[_Entry] = []  # freed while leased: still on the device
        self._loading: Present | None = None
        self._measured: dict[tuple[str, Hashable], tuple[Weights, Weights]] = {}
        """What was expected of what was loaded before, and what it turned out to hold."""

        self._lock = RLock()

    @property
    def offloads(self) -> bool:
        """Whether a model can be drawn with that the device does not hold whole."""
        return self._part_by_part is not None

    @contextmanager
    def lease(
        self,
        function: GenerationFunction,
        beside_bytes: int | None = None,
        *,
        in_parts: bool = False,
    ) -> Iterator[Lease]:
        """The function's pipeline, loaded if need be; it stays until the block ends.

        Args:
            beside_bytes: what the picture will need on top of the weights; None is unknown.
            in_parts: with its layers in main memory, brought to the device in turn; where
                `offloads` alone.

        Raises:
            OutOfMemory: it does not fit beside what is in use, here or by others.
            CemsError: whatever `load` raises; then the model is not resident.
        """
        tenant = self._generator(function, in_parts)
        prepare = None if self._prepare is None else partial(self._prepare, function)
        with self._use(tenant, beside_bytes, prepare) as (holder, seconds, brought):
            yield Lease(holder, seconds, brought)

    @contextmanager
    def lend(self, tenant: Tenant[H]) -> Iterator[H]:
        """What is not a model that draws, loaded if need be; it stays until the block ends.

        Raises:
            as `lease`.
        """
        with self._use(tenant, 0, None) as (holder, _, _):
            yield holder

    @contextmanager
    def _use(
        self,
        tenant: Tenant[H],
        beside_bytes: int | None,
        prepare: Callable[[], None] | None,
    ) -> Iterator[tuple[H, float, int]]:
        with self._lock:
            self._entering = True
            try:
                entry, seconds, brought = self._enter(tenant, beside_bytes, prepare)
            finally:
                self._entering = False
                self._give_back()
            entry.leases += 1
            entry.last_used = time()
            self._tell()
        try:
            holder: H = entry.holder  # type: ignore[assignment]
            yield holder, seconds, brought
        finally:
            with self._lock:
                entry.leases -= 1
                entry.last_used = time()
                if entry in self._leaving and entry.leases == 0:
                    self._leaving.remove(entry)
                    entry.holder.close()
                    self._give_back()
                self._tell()

    def resident(self) -> frozenset[str]:
        """Names of the models that draw on the device; does not wait for a load in progress."""
        entries = self._entries.copy()
        return frozenset(
            name for name, entry in entries.items() if entry.tenant.kind == "generator"
        )

    def present(self) -> list[Present]:
        """All that is on the device, least recently used last, what is leaving or loading first."""
        with self._lock:
            told = [_present(entry, leaving=True) for entry in self._leaving]
            told += [_present(entry, leaving=False) for entry in reversed(self._entries.values())]
            return told if self._loading is None else [self._loading, *told]

    @property
    def held_bytes(self) -> int:
        """Bytes of weights on the device, each counted once."""
        with self._lock:
            return held_bytes(resident.weights for resident in self._residents())

    def fits(self, function: GenerationFunction, beside_bytes: int | None = None) -> bool | None:
        """Whether a picture of the function could be drawn now: what a lease would say.

        None when its size is unknown, or cannot be told as its files are damaged: leasing it
        says what is wrong with them.
        """
        with self._lock:
            tenant = self._generator(function)
            try:
                needed = self._needed(tenant)
            except WeightsError:
                return None
            if needed is None:
                return None
            return self._would_fit(tenant.name, needed, beside_bytes)

    def free(self, name: str) -> bool:
        """Take something off the device, at the end of its lease if it is in use.

        Returns:
            Whether it was resident.
        """
        with self._lock:
            if name not in self._entries:
                return False
            before, held = self._now(), self.held_bytes
            self._dismiss(self._entries.pop(name))
            self._give_back()
            if before is not None:
                freed = int(SHOWN_SHARE * (held - self.held_bytes))
                shown = before.free_bytes if self._awaited_bytes is None else self._awaited_bytes
                self._awaited_bytes = shown + freed
            self._tell()
            return True

    def free_idle(self, kind: Kind | None = None) -> tuple[str, ...]:
        """Take everything off the device that is not in use; the names of what left.

        Args:
            kind: of that kind alone; None is all.
        """
        with self._lock:
            idle = tuple(
                name
                for name, entry in self._entries.items()
                if not entry.leases and kind in (None, entry.tenant.kind)
            )
            for name in idle:
                self.free(name)
            return idle

    def relieve(self) -> tuple[str, ...]:
        """Take off the device what is idle as far as others need the memory; what left."""
        left: list[str] = []
        with self._lock:
            while (room := self._now()) is not None:
                if room.free_bytes >= int(room.total_bytes * LEAST_FREE_SHARE):
                    break
                order = in_leaving_order(self._residents(), self._wanted())
                idle = [one for one in order if not one.leased]
                if not idle:
                    break
                self._evict([idle[0].model])
                left.append(idle[0].model)
        return tuple(left)

    def close(self) -> None:
        """Take everything off the device."""
        with self._lock:
            for name in list(self._entries):
                self.free(name)

    def _generator(self, function: GenerationFunction, in_parts: bool = False) -> Tenant[Pipeline]:
        parts = self._part_by_part
        if in_parts and parts is not None:
            return Tenant(
                function.model.name,
                "generator",
                partial(parts.expected, function),
                partial(parts.load, function),
                (function.model, "in parts"),
            )
        return Tenant(
            function.model.name,
            "generator",
            lambda: self._expected(function),
            lambda: self._load(function),
            function.model,
        )

    def _enter(
        self,
        tenant: Tenant[H],
        beside_bytes: int | None,
        prepare: Callable[[], None] | None,
    ) -> tuple[_Entry, float, int]:
        entry = self._entries.get(tenant.name)
        if entry is not None and self._is_other(entry, tenant):
            self.free(tenant.name)  # the weights were replaced since
            entry = None
        if entry is not None:
            self._make_room(tenant.name, entry.holder.weights, beside_bytes)
            self._entries.move_to_end(tenant.name)
            return entry, 0.0, 0
        needed = self._needed(tenant) or {}
        before = {key for resident in self._residents() for key in resident.weights}
        kept = self._hold(needed) if self._hold is not None else None
        self._make_room(tenant.name, needed, beside_bytes)
        if prepare is not None:
            prepare()
        self._announce(tenant, needed)
        try:
            started = perf_counter()
            holder = self._load_or_make_room(tenant)
            seconds = perf_counter() - started
        finally:
            self._loading = None
            del kept
        weights = holder.weights
        self._measured[tenant.name, tenant.identity] = (needed, weights)
        now = time()
        entry = self._entries[tenant.name] = _Entry(tenant, holder, needed, now, now)
        if held_bytes([weights]) > held_bytes([needed]):  # it holds more than was expected
            try:
                self._make_room(tenant.name, weights, beside_bytes)
            except BaseException:
                self.free(tenant.name)
                raise
        return entry, seconds, sum(size for key, size in weights.items() if key not in before)

    def _is_other(self, entry: _Entry, tenant: Tenant[Any]) -> bool:
        """Whether what is resident under that name are not the weights that are asked for."""
        if entry.tenant.identity != tenant.identity:
            return True
        try:
            expected = tenant.expected()
        except WeightsError:
            return False  # its files are gone or damaged; what is in memory is whole
        return bool(expected and entry.expected and expected.keys() != entry.expected.keys())

    def _announce(self, tenant: Tenant[Any], needed: Weights) -> None:
        now = time()
        self._loading = Present(
            tenant.name, dict(needed), {}, True, False, now, now, tenant.kind, loading=True
        )
        self._tell()

    def _load_or_make_room(self, tenant: Tenant[H]) -> H:
        before = self._now()
        try:
            try:
                return tenant.load()
            except OutOfMemory:
                # The device had less than was thought; the last resort is an empty one.
                if not self.free_idle():
                    raise
            return tenant.load()
        except BaseException:
            if before is not None:  # what was brought until it failed leaves, seen or not yet
                self._awaited_bytes = max(self._awaited_bytes or 0, before.free_bytes)
            raise

    def _make_room(self, name: str, needed: Weights, beside_bytes: int | None) -> None:
        """Have others leave until it fits; nobody does where that would not help.

        What leaves is not always seen at once, nor is it all that was thought: so it is asked
        again, and once more, before it is refused.

        Raises:
            OutOfMemory: it does not fit.
        """
        for _ in range(3):
            allowed = self._allowed(beside_bytes)
            admission = admit(self._others(name), needed, allowed)
            if not admission.fits or admission.evict:
                self._see_what_left()
                allowed = self._allowed(beside_bytes)
                admission = admit(self._others(name), needed, allowed)
            if not admission.fits:
                self._refuse(name, needed, beside_bytes)
            if admission.evict and (wanted := self._wanted()):
                admission = admit(self._others(name, wanted), needed, allowed)
            if not admission.evict:
                return
            self._evict(admission.evict)
        if not self._would_fit(name, needed, beside_bytes):
            self._refuse(name, needed, beside_bytes)

    def _would_fit(self, name: str, needed: Weights, beside_bytes: int | None) -> bool:
        return admit(self._others(name), needed, self._allowed(beside_bytes)).fits

    def _others(self, name: str, wanted: Sequence[str] = ()) -> list[Resident]:
        """All but what is resident under that name, in the order in which they would leave."""
        return in_leaving_order(self._residents(but=self._entries.get(name)), wanted)

    def _allowed(self, beside_bytes: int | None) -> int:
        """Bytes that weights may hold now."""
        room = self._now()
        if room is None:
            return 2**63 if self._cap_bytes is None else self._cap_bytes
        return weights_allowed(
            self.held_bytes, room.free_bytes, beside_bytes, room.total_bytes, self._cap_bytes
        )

    def _now(self) -> Device | None:
        return None if self._room is None else self._room()

    def _evict(self, names: Sequence[str]) -> None:
        """Take these off the device, and wait until it shows."""
        for name in names:
            self.free(name)
        self._see_what_left()

    def _see_what_left(self) -> None:
        """Wait until the device shows what left it, by whomever it was freed; not for ever."""
        wanted, self._awaited_bytes = self._awaited_bytes, None
        if wanted is None:
            return
        for _ in range(int(SHOW_SECONDS / POLL_SECONDS)):
            room = self._now()
            if room is None or room.free_bytes >= wanted:
                return
            self._wait(POLL_SECONDS)

    def _refuse(self, name: str, needed: Weights, beside_bytes: int | None) -> None:
        in_use = held_bytes(r.weights for r in self._others(name) if r.leased)
        drawing = f" and {_megabytes(beside_bytes)} to draw" if beside_bytes else ""
        said = (
            f"{name} needs {_megabytes(held_bytes([needed]))}{drawing}; "
            f"{_megabytes(in_use)} is in use"
        )
        room = self._now()
        if room is not None:
            said += f", {_megabytes(max(0, room.free_bytes))} can be had of the device"
        if self._cap_bytes is not None:
            said += f" and weights may hold {_megabytes(self._cap_bytes)}"
        raise OutOfMemory(said)

    def _residents(self, but: _Entry | None = None) -> list[Resident]:
        entries = (*self._leaving, *self._entries.values())
        return [entry.resident for entry in entries if entry is not but]

    def _needed(self, tenant: Tenant[Any]) -> Weights | None:
        expected = tenant.expected()
        before = self._measured.get((tenant.name, tenant.identity))
        if before is not None and (expected is None or before[0] == expected or not before[0]):
            return before[1]
        return expected

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
            entry.holder.close()


def _present(entry: _Entry, *, leaving: bool) -> Present:
    return Present(
        model=entry.tenant.name,
        weights=entry.holder.weights,
        names=entry.holder.names,
        in_use=entry.leases > 0,
        leaving=leaving,
        since=entry.since,
        last_used=entry.last_used,
        kind=entry.tenant.kind,
    )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
