"""Pulls models, also those that are put together from several repositories."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

from cems_tui.errors import UsageError
from cems_tui.models.compose import compose, is_composed
from cems_tui.models.events import Installed, Planned
from cems_tui.models.fetching import Emit
from cems_tui.models.ledger import Ledger
from cems_tui.models.lock import held
from cems_tui.models.pull import Puller
from cems_tui.models.target import Known, Wish

BASE = "base"


@dataclass(frozen=True, slots=True)
class Assembler:
    """A puller that also knows models made of parts; each part is a model of its own."""

    puller: Puller

    @property
    def emit(self) -> Emit:
        """Where events go."""
        return self.puller.emit

    def plans(self, wish: Wish) -> list[Planned]:
        """What pulling would do, one plan a repository; raises as `Puller.plan`."""
        known = self._made_of_parts(wish)
        if known is None:
            return [self.puller.plan(wish)]
        return [self.puller.plan(Wish(part)) for _, part in known.parts]

    def pull(self, wish: Wish) -> Installed:
        """The model, whole and in the catalog; raises as `Puller.pull`."""
        known = self._made_of_parts(wish)
        if known is None:
            return self.puller.pull(wish)
        began = perf_counter()
        pulled = {component: self.puller.pull(Wish(part)) for component, part in known.parts}
        models = self.puller.models
        with held(self.puller.locks / f"import-{known.name}.lock", self.puller.stop):
            ledger = Ledger.read(models)
            there = is_composed(known.name, ledger) and all(p.already for p in pulled.values())
            if not there:
                parts = {name: ledger.entries[part.model] for name, part in pulled.items()}
                compose(known.name, parts.pop(BASE), parts, ledger, known.licence)
            entry = ledger.entries[known.name]
        return Installed(
            model=known.name,
            path=models / (entry.folder or ""),
            bytes=entry.total_bytes,
            downloaded_bytes=sum(part.downloaded_bytes for part in pulled.values()),
            seconds=perf_counter() - began,
            functions=known.functions,
            already=there,
        )

    def _made_of_parts(self, wish: Wish) -> Known | None:
        known = self.puller.known.get(wish.name.split("@")[0])
        if known is None or not known.parts:
            return None
        if wish != Wish(wish.name):
            parts = " and ".join(part for _, part in known.parts)
            raise UsageError(
                f"{known.name} is put together from {parts}",
                "Pull it by its name alone, without settings, or pull those by themselves.",
            )
        return known
