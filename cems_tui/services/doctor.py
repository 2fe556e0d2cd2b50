"""Looks at everything a picture depends on, says what is wrong with it and what mends that.

Looking changes nothing; `mend` does what the user agreed to.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cems_tui.catalog.survey import Survey
from cems_tui.errors import CemsError
from cems_tui.files import storage
from cems_tui.generation import device as devices
from cems_tui.generation.cost_model import Certainty
from cems_tui.generation.machine_speed import OriginSpeed
from cems_tui.generation.precision import (
    as_precision,
    chosen_precision,
    has_bfloat16_processor,
)
from cems_tui.models.leftovers import Leftover
from cems_tui.paths import Paths
from cems_tui.services.device_access import DeviceAccess
from cems_tui.settings import (
    Drawing,
    environment_problems,
    located_problems,
    read_document,
    write_setting,
)
from cems_tui.starter.manifest import verify
from cems_tui.text import byte_count, counted, one_line

if TYPE_CHECKING:
    from cems_tui.store.database import Store

LOW_DISK_BYTES = 1_000_000_000
PACKAGES = (
    "textual",
    "rich",
    "torch",
    "diffusers",
    "transformers",
    "open_clip_torch",
    "pyiqa",
    "platformdirs",
    "sqlite-utils",
)


@dataclass(frozen=True, slots=True)
class Remedy:
    """What mends a finding."""

    kind: Literal["copy", "default", "restrict", "pull", "retrain", "draw"]
    """`default` and `restrict` are done by `Doctor.mend`; `pull`, `retrain` and `draw` need an
    engine or the network and their own questions; `copy` is the user's to do.
    """

    does: str
    """In words: `takes generation.device out of config.toml`."""

    command: str
    """A line for a shell that does the same."""

    names: tuple[str, ...] = ()
    """The settings or the files it is about."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    status: Literal["ok", "note", "problem"]
    detail: str
    hint: str = ""
    exit_code: int = 0
    """The contract's exit code a command would end with because of this; 0 for none."""

    remedy: Remedy | None = None
    """What mends it; None where there is nothing to mend, or no single thing does."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Doctor:
    """Looks at one profile on this machine."""

    paths: Paths
    pack: Path
    """The starter pack's folder."""

    device: DeviceAccess
    drawing: Callable[[], Drawing]
    """On what pictures are drawn, and in what precision, as the user configured it."""

    weight_budget: Callable[[], int]
    """Bytes that weights may hold, as the user configured it."""

    survey: Callable[[], Survey]
    left_over: Callable[[], list[Leftover]]
    unreadable: Callable[[], list[str]]
    """The files of records of models that cannot be read."""

    shared: Callable[[], bool]
    """Whether others on this machine may read what is kept."""

    history: Callable[[], AbstractContextManager[Store]]
    prices: Callable[[], tuple[Sequence[OriginSpeed], Sequence[Certainty]]]
    """How fast this machine is, and how sure the prices of the installed functions are."""

    def examine(self) -> list[Finding]:
        """Every finding, in the order a picture needs them."""
        looks: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
            ("device", self._device),
            ("disk", self._disk),
            ("pack", self._pack),
            ("models", self._models),
            ("leftovers", self._leftovers),
            ("privacy", self._privacy),
            ("prices", self._prices),
            ("database", self._database),
            ("foresight", self._foresight),
            ("config", self._config),
            ("network", _network),
            ("versions", _versions),
        )
        findings: list[Finding] = []
        for subject, look in looks:
            try:
                findings.extend(look())
            except CemsError as error:
                findings.append(
                    Finding(subject, "problem", str(error), error.hint, error.exit_code)
                )
        return findings

    def mend(self, remedy: Remedy) -> None:
        """Do what a remedy says, `default` or `restrict`.

        Raises:
            ConfigError: config.toml cannot be read.
            StorageError: it, or what is to be restricted, cannot be written.
        """
        if remedy.kind == "default":
            for name in remedy.names:
                write_setting(self.paths.config_file, name, None)
        elif remedy.kind == "restrict":
            for name in remedy.names:
                _restrict(Path(name))
        else:
            raise ValueError(f"{remedy.kind} is not the doctor's to do")

    def _device(self) -> Iterator[Finding]:
        chosen = self.drawing()
        device = devices.probe(chosen.chosen_device)
        yield Finding(
            "device",
            "ok",
            f"{device.kind} {device.name}: {device.free_bytes / 1e9:.1f} of "
            f"{device.total_bytes / 1e9:.1f} GB free, weights may hold "
            f"{self.weight_budget() / 1e9:.1f} GB, {_precision_words(chosen, device.kind)}",
        )
        if chosen.chosen_device not in (None, device.kind):
            yield Finding(
                "device",
                "problem",
                f"generation.device is {chosen.device}, and this machine has {device.kind}",
                "`cems config set generation.device auto`.",
                2,
                _without("generation.device"),
            )
        holder = self.device.holder()
        if holder is not None:
            yield Finding("device", "note", f"held by {holder}", "Wait with --wait, or stop it.")

    def _disk(self) -> Iterator[Finding]:
        folder = _existing(self.paths.data)
        free = shutil.disk_usage(folder).free
        detail = f"{free / 1e9:.1f} GB free for {self.paths.data}"
        if not folder.is_dir():
            yield Finding("disk", "problem", f"{folder} is not a folder", "Set CEMS_HOME.", 8)
        elif not os.access(folder, os.W_OK):
            yield Finding("disk", "problem", f"{folder} cannot be written", "Set CEMS_HOME.", 8)
        elif free < LOW_DISK_BYTES:
            yield Finding("disk", "note", detail, "Free some space before pulling models.")
        else:
            yield Finding("disk", "ok", detail)

    def _pack(self) -> Iterator[Finding]:
        manifest = verify(self.pack)
        total = sum(entry.bytes for entry in manifest.files.values())
        yield Finding("pack", "ok", f"{len(manifest.files)} files, {total / 1e6:.1f} MB, verified")

    def _models(self) -> Iterator[Finding]:
        found = self.survey()
        picks = found.recommendation.picks
        if not picks:
            yield Finding("models", "ok", found.sentence, found.recommendation.note)
            return
        size = byte_count(found.recommendation.download_bytes)
        yield Finding(
            "models",
            "note",
            found.sentence,
            f"`cems pull --recommended` fetches {', '.join(pick.model for pick in picks)}, {size}.",
            remedy=Remedy("pull", f"pulls what is worth its {size}", "cems pull --recommended"),
        )

    def _leftovers(self) -> Iterator[Finding]:
        found, unreadable = self.left_over(), self.unreadable()
        if not found and not unreadable:
            yield Finding("leftovers", "ok", "nothing lies about of commands that were stopped")
        for name in unreadable:
            yield Finding(
                "leftovers",
                "problem",
                f"the record of a model, {name}, cannot be read: it is left out",
                "`cems pull` or `cems import` records it anew; the log has the reason.",
                3,
            )
        for one in found:
            hint = (
                "The next `cems pull`, `import` or `rm` removes it."
                if one.swept
                else "Look at it, and remove it if you do not need it."
            )
            yield Finding(
                "leftovers",
                "note",
                f"{one.path}: {byte_count(one.bytes)}, {one.why}",
                hint,
                remedy=None
                if one.swept
                else Remedy("copy", "removes it for good", _shell("rm", "-r", str(one.path))),
            )

    def _privacy(self) -> Iterator[Finding]:
        open_to = [p for p in self.paths.private if _is_open(p) and _is_open(p.parent)]
        if self.shared() or not open_to:
            whom = "others on this machine" if self.shared() else "only you"
            yield Finding("privacy", "ok", f"{whom} may read what is kept (storage.shared)")
            return
        names = tuple(map(str, open_to))
        command = _shell("chmod", "-R", "go=", *names)
        yield Finding(
            "privacy",
            "note",
            f"others on this machine may read {', '.join(names)}",
            f"{command}; or set storage.shared = true.",
            remedy=Remedy("restrict", "lets only you read it", command, names),
        )

    def _prices(self) -> Iterator[Finding]:
        origins, functions = self.prices()
        if not origins and not any(one.runs for one in functions):
            yield Finding(
                "prices",
                "note",
                "estimated by what others told of their machines: nothing was drawn here yet",
                "Three pictures tell how fast this machine is.",
                remedy=Remedy(
                    "draw", "draws three pictures", "cems generate -n 3 'a red star on a blue hill'"
                ),
            )
            return
        for one in origins:
            yield _speed_finding(one)
        measured = [one for one in functions if one.provenance == "measured"]
        for what, found in (
            ("measured", measured),
            ("estimated", [one for one in functions if one not in measured and one.provenance]),
            ("unknown", [one for one in functions if one.provenance is None]),
        ):
            if found:
                yield Finding("prices", "ok", f"{what}: {', '.join(map(_certain, found))}")

    def _database(self) -> Iterator[Finding]:
        where = self.paths.database
        if not where.exists():
            yield Finding("database", "ok", f"{where} is made with the first picture")
            return
        with self.history() as store:
            yield Finding("database", "ok", f"{where}: {store.stats().pictures} pictures")

    def _foresight(self) -> Iterator[Finding]:
        """Whether scores leave the routers' intervals more often than they should."""
        if not self.paths.database.exists():
            return
        with self.history() as store:
            drifts = store.drifts()
        for one in drifts:
            seen = f"{one.outside} of {counted(one.scored, 'scored picture')} lie outside the"
            told = f"{seen} 90 % intervals of {one.router or 'no router'} ({one.metric})"
            if one.drifted:
                hint = "`cems router retrain` learns from them; `cems history stats` says more."
                since = f"{told}, more than chance since {one.since}"
                learns = Remedy("retrain", "learns from them", "cems router retrain")
                yield Finding("foresight", "note", since, hint, remedy=learns)
            else:
                yield Finding("foresight", "ok", told)

    def _config(self) -> Iterator[Finding]:
        file = self.paths.config_file
        in_file, in_environment = located_problems(read_document(file)), environment_problems()
        for name, problem in in_file:
            hint = f"Mend it in {file}."
            yield Finding("config", "problem", problem, hint, 2, _without(name))
        for problem in in_environment:
            yield Finding("config", "problem", problem, "Set it right in the environment.", 2)
        if not in_file and not in_environment:
            yield Finding("config", "ok", str(file) if file.exists() else "defaults")
        yield Finding("config", "note", f"the log is {self.paths.log_file}")


def _shell(*words: str) -> str:
    """A line for a shell."""
    return " ".join(map(shlex.quote, words))


def _without(name: str) -> Remedy:
    """Takes a setting out of the file: its default holds again."""
    command = _shell("cems", "config", "set", name, "--default")
    return Remedy("default", f"takes {name} out of config.toml", command, (name,))


def _restrict(place: Path) -> None:
    """Nobody but its owner reads or enters it, nor what is in it.

    Raises:
        StorageError: a file's mode cannot be changed.
    """
    with storage(str(place)):
        for one in (place, *place.rglob("*")):
            if not one.is_symlink():
                one.chmod(one.stat().st_mode & ~0o077)


def _is_open(place: Path) -> bool:
    """Whether others than its owner may read or enter it."""
    try:
        return bool(place.stat().st_mode & 0o077)
    except OSError:
        return False


def _speed_finding(one: OriginSpeed) -> Finding:
    """How many times longer pictures take here than was told, and by how many runs."""
    by = f"{counted(one.runs, 'run')}, {one.settled_runs} of them with the model at rest"
    source = one_line(one.origin.partition(": ")[2], 60)
    told = f"this machine takes {one.factor:.2f} × the seconds told of another ({source})"
    if not one.settled_runs:
        return Finding(
            "prices",
            "note",
            f"{told}, by {by}: the first pictures after a load overstate it",
            "Draw several pictures in one command: -n 3.",
        )
    spread = f", half of them within {100 * (one.spread - 1):.0f} %" if one.runs > 1 else ""
    disturbed = f"; {one.disturbed_runs} waited for a processor" if one.disturbed_runs else ""
    return Finding("prices", "ok", f"{told}, by {by}{spread}{disturbed}")


def _certain(one: Certainty) -> str:
    """`starter-turbo@1 (5 runs, up to 1.2 ×)`."""
    told = [counted(one.runs, "run")] if one.runs else []
    if one.reach is not None:
        told.append(f"up to {one.reach:.2g} ×")
    return f"{one.function} ({', '.join(told)})" if told else one.function


def _precision_words(chosen: Drawing, kind: str) -> str:
    """In what large models are held on a device, unless their family needs another."""
    precision = chosen_precision(
        as_precision(chosen.precision),
        "float16",
        kind,
        full_bytes=None,
        bfloat16_processor=has_bfloat16_processor(),
    )
    return f"large models in {precision}"


def _existing(folder: Path) -> Path:
    """The folder, or the nearest parent that exists."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def _network() -> Iterator[Finding]:
    offline = os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0")
    state = "offline by HF_HUB_OFFLINE" if offline else "not needed: the starter pack is on disk"
    yield Finding("network", "ok", state)


def _versions() -> Iterator[Finding]:
    found, missing = [f"Python {sys.version.split()[0]}"], []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            missing.append(package)
    yield Finding("versions", "ok", ", ".join(found))
    if missing:
        yield Finding(
            "versions",
            "problem",
            f"not installed: {', '.join(missing)}",
            "Run pip install again.",
            2,
            Remedy("copy", "installs them", _shell("pip", "install", *missing)),
        )
