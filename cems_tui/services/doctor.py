"""Looks at everything a picture depends on and says what is wrong with it; changes nothing."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from cems_tui import paths
from cems_tui.errors import CemsError

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
class Finding:
    """One thing that was looked at."""

    subject: str
    status: Literal["ok", "note", "problem"]
    detail: str
    hint: str = ""
    exit_code: int = 0
    """The contract's exit code a command would end with because of this; 0 for none."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def examine() -> list[Finding]:
    """Every finding, in the order a picture needs them."""
    looks: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
        ("device", _device),
        ("disk", _disk),
        ("pack", _pack),
        ("models", _models),
        ("database", _database),
        ("config", _config),
        ("network", _network),
        ("versions", _versions),
    )
    findings: list[Finding] = []
    for subject, look in looks:
        try:
            findings.extend(look())
        except CemsError as error:
            findings.append(Finding(subject, "problem", str(error), error.hint, error.exit_code))
    return findings


def _device() -> Iterator[Finding]:
    from cems_tui.generation.device import probe
    from cems_tui.locks import FileLock
    from cems_tui.profile import open_planner_settings, weight_budget

    device = probe()
    yield Finding(
        "device",
        "ok",
        f"{device.kind} {device.name}: {device.free_bytes / 1e9:.1f} of "
        f"{device.total_bytes / 1e9:.1f} GB free, weights may hold "
        f"{weight_budget(open_planner_settings()) / 1e9:.1f} GB",
    )
    holder = FileLock(paths.current().device_lock, "the device").holder()
    if holder is not None:
        yield Finding("device", "note", f"held by {holder}", "Wait with --wait, or stop it.")


def _disk() -> Iterator[Finding]:
    folder = _existing(paths.current().data)
    free = shutil.disk_usage(folder).free
    detail = f"{free / 1e9:.1f} GB free for {paths.current().data}"
    if not folder.is_dir():
        yield Finding("disk", "problem", f"{folder} is not a folder", "Set CEMS_HOME.", 8)
    elif not os.access(folder, os.W_OK):
        yield Finding("disk", "problem", f"{folder} cannot be written", "Set CEMS_HOME.", 8)
    elif free < LOW_DISK_BYTES:
        yield Finding("disk", "note", detail, "Free some space before pulling models.")
    else:
        yield Finding("disk", "ok", detail)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest parent that exists."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def _pack() -> Iterator[Finding]:
    from cems_tui.starter.manifest import verify

    manifest = verify(paths.checkpoints() / "starter")
    total = sum(entry.bytes for entry in manifest.files.values())
    yield Finding("pack", "ok", f"{len(manifest.files)} files, {total / 1e6:.1f} MB, verified")


def _models() -> Iterator[Finding]:
    from cems_tui.profile import open_planner
    from cems_tui.services.survey import survey
    from cems_tui.text import byte_count

    with open_planner() as planner:
        found = survey(planner)
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
    )


def _database() -> Iterator[Finding]:
    from cems_tui.profile import open_history

    where = paths.current().database
    if not where.exists():
        yield Finding("database", "ok", f"{where} is made with the first picture")
        return
    with open_history() as store:
        yield Finding("database", "ok", f"{where}: {store.stats().pictures} pictures")


def _config() -> Iterator[Finding]:
    from cems_tui.settings import environment_problems, problems, read_document

    file = paths.current().config_file
    in_file, in_environment = problems(read_document(file)), environment_problems()
    for problem in in_file:
        yield Finding("config", "problem", problem, f"Mend it in {file}.", 2)
    for problem in in_environment:
        yield Finding("config", "problem", problem, "Set it right in the environment.", 2)
    if not in_file and not in_environment:
        yield Finding("config", "ok", str(file) if file.exists() else "defaults")
    yield Finding("config", "note", f"the log is {paths.current().log_file}")


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
        )
