"""The routers of one profile: which is in use, and their files."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from cems_tui import log
from cems_tui.cancel import shielded
from cems_tui.domain.function import Catalog
from cems_tui.errors import StorageError, UnknownName, UsageError, WeightsError
from cems_tui.files import read_json, storage, write_text
from cems_tui.models.leftovers import Leftover
from cems_tui.paths import ensure
from cems_tui.routing.checkpoints.card import Card, choose_router
from cems_tui.routing.checkpoints.checkpoint import (
    Checkpoint,
    load_card,
    plain_name,
    put_files,
    read_files,
    strays,
)
from cems_tui.routing.checkpoints.kept_prompts import without_prompts
from cems_tui.routing.checkpoints.package import keep, read_package
from cems_tui.routing.checkpoints.shelf import RouterShelf
from cems_tui.routing.evaluation.rival import BETTER, WORSE, Against
from cems_tui.routing.evaluation.verdict import refusal
from cems_tui.routing.features.text_towers import TextTowers
from cems_tui.routing.training.own_pairs import beside_in_use
from cems_tui.services.own_scores import OwnScores
from cems_tui.settings import Settings, write_setting

SETTING = "routing.router"
REMEMBERED = 50
"""How many changes can be taken back."""

ENDINGS = (".json", ".safetensors")


@dataclass(frozen=True, slots=True)
class Change:
    """From one router to another; None is the rule that the router of most functions is asked."""

    before: str | None
    after: str | None
    against: Against | None = None
    """The later beside the earlier; None where nothing tells."""


@dataclass(frozen=True, slots=True)
class Routers:
    """One's own routers and the shipped ones; reads anew what may have changed."""

    folders: Sequence[Path]
    """Where routers lie, one's own first."""

    config_file: Path
    configured: Callable[[], Settings]
    """What it says now."""

    before_file: Path
    """Which routers were in use before, to go back to."""

    shelf: Callable[[], RouterShelf]
    towers: Callable[[], TextTowers]
    catalog: Callable[[], Catalog]
    scores: OwnScores

    @property
    def own(self) -> Path:
        """The folder of one's own routers."""
        return self.folders[0]

    def in_use(self) -> str | None:
        """The router the user chose; None where the rule chooses."""
        return self.configured().routing.router or None

    def asked_by_default(self) -> str | None:
        """The router that is asked when nobody names one: that in use, else the rule's choice."""
        installed = [function.name for function in self.catalog().installed()]
        card = choose_router(self.shelf().cards(), self.in_use(), installed)
        return None if card is None else card.name

    def use(self, name: str, *, force: bool) -> Change:
        """Ask this router from now on.

        Raises:
            UnknownName: there is none of that name.
            WeightsError: it is damaged, or was trained on another version of a function here.
            UsageError: it did not beat the best single function, or is worse than the router in
                use, and is not forced.
            StorageError: it cannot be written down.
        """
        shelf = self.shelf()
        checkpoint = shelf.named(name)
        shelf.notes(checkpoint, self.catalog().installed())  # raises where a function differs
        beside = self.beside(checkpoint, shelf)
        why = refusal(checkpoint.card)
        if beside is not None and beside.verdict == BETTER:
            why = None  # whatever it is beside single functions, the one in use is no better
        elif beside is not None and beside.verdict == WORSE:
            why = f"{name} {beside.told}"
        if why is not None and not force:
            raise UsageError(why, f"Use it nevertheless: cems router use {name} --force.")
        before = self.in_use()
        if before != name:
            self._remember([*self._before(), before])
            self._write(name)
        return Change(before, name, beside)

    def beside(self, checkpoint: Checkpoint, shelf: RouterShelf) -> Against | None:
        """A router beside the one that is asked now: by its card, else on one's own pairs.

        None where it is that one, or nothing tells: another metric, or too few prompts with two
        scores that neither has seen.
        """
        now = self.asked_by_default()
        if now is None or now == checkpoint.name:
            return None
        kept = checkpoint.card.evaluation.get("against")
        if kept is not None and kept.get("router") == now:
            return Against.from_json(kept)
        other = shelf.named(now)
        if other.metric != checkpoint.metric or "cems" in (other.card.kind, checkpoint.card.kind):
            return None
        try:
            own = self.scores.table(other.metric, other.card.scorers, other.functions)
        except UsageError:  # no score of one's own
            return None
        return beside_in_use(checkpoint, other, own.table, own.prices)

    def rollback(self) -> Change:
        """Ask the router again that was in use before; those that are gone are passed over.

        Raises:
            UsageError: there is none before.
            StorageError: it cannot be written down.
        """
        known = {card.name for card in self.shelf().cards()}
        left = self._before()
        now = self.in_use()
        while left:
            earlier = left.pop()
            if earlier != now and (earlier is None or earlier in known):
                self._write(earlier)
                self._remember(left)
                return Change(now, earlier)
        raise UsageError("no other router was in use before", "`cems router use NAME` chooses one.")

    def names(self) -> list[str]:
        """Every readable router."""
        return [card.name for card in self.shelf().cards()]

    def folder_of(self, name: str) -> Path:
        """The folder a router lies in, one's own before a shipped one of the same name.

        Raises:
            UnknownName: there is no such router.
        """
        for folder in self.folders:
            if (folder / f"{plain_name(name)}.json").is_file():
                return folder
        raise UnknownName.of("router", name, self.names())

    def own_files(self, name: str) -> list[Path]:
        """The files of a router of one's own.

        Raises:
            UnknownName: there is no such router.
            UsageError: it is shipped with the program.
        """
        folder = self.own
        found = [folder / f"{plain_name(name)}{ending}" for ending in ENDINGS]
        found = [file for file in (*found, *strays(folder, name)) if file.is_file()]
        if found:
            return found
        if name in self.names():
            raise UsageError(
                f"router {name} is shipped with cems-tui and stays",
                "`cems router use` chooses another.",
            )
        raise UnknownName.of("router", name, self.names())

    def is_shipped(self, name: str) -> bool:
        """Whether the program brings a router of that name."""
        own = self.own
        return any((folder / f"{name}.json").is_file() for folder in self.folders if folder != own)

    def take_in(self, path: Path, name: str | None) -> Card:
        """The router of an exported file among one's own, whole or not at all.

        Args:
            name: what to call it; None leaves its name.

        Raises:
            UsageError: there is no such file, or the name is taken.
            WeightsError: it is not a router's file, or is damaged.
            StorageError: it cannot be written.
        """
        package = read_package(path).from_outside()
        if name is not None:
            package = package.renamed(name)
        if package.name in self.names():
            raise UsageError(
                f"there is a router {package.name} already", "Give it another name with --name."
            )
        folder = ensure(self.own)
        with storage(str(folder)):
            check = Path(tempfile.mkdtemp(prefix=".import-", dir=folder))
        try:
            with shielded():
                keep(package, folder, check, self.towers())
        finally:
            shutil.rmtree(check, ignore_errors=True)
        return load_card(folder, package.name)

    def forget(self, prompts: Collection[str]) -> list[str]:
        """Take the texts of prompts out of one's own routers; the names of those that had any.

        Raises:
            StorageError: one cannot be written.
        """
        changed = []
        for path in sorted(self.own.glob("*.json")):
            try:
                _, card, weights = read_files(self.own, path.stem)
                found = without_prompts(card, weights, prompts)
            except (UsageError, WeightsError) as error:  # no router, or none that can be asked
                log.error("%s was not looked through for prompts: %s", path, error)
                continue
            if found is None and strays(self.own, path.stem):
                found = card, weights  # its writer was killed: the older file is there, too
            if found is not None:
                put_files(self.own, path.stem, *found)
                changed.append(path.stem)
        return changed

    def leftovers(self) -> list[Leftover]:
        """Weights whose writer was killed before they were in their place."""
        return [
            Leftover(path, path.stat().st_size, "of a router that was not finished", swept=False)
            for path in strays(self.own)
        ]

    def _write(self, name: str | None) -> None:
        write_setting(self.config_file, SETTING, name)

    def _before(self) -> list[str | None]:
        """What was in use, oldest first; a file that cannot be read remembers nothing."""
        try:
            found = read_json(self.before_file)
        except (OSError, ValueError):
            return []
        if not isinstance(found, list):
            return []
        return [name for name in found if name is None or isinstance(name, str)]

    def _remember(self, names: list[str | None]) -> None:
        ensure(self.before_file.parent)
        text = json.dumps(names[-REMEMBERED:])
        write_text(self.before_file, text)


def remove(files: list[Path]) -> None:
    """Delete a router's files, the card first: without one it is no router.

    Raises:
        StorageError: one cannot be deleted.
    """
    for file in files:
        try:
            file.unlink()
        except OSError as error:
            raise StorageError(f"cannot remove {file}: {error.strerror or error}") from error
