"""The files of routers: one's own and the shipped ones, taken in, and removed."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from cems_tui import paths, wiring
from cems_tui.errors import StorageError, UnknownName, UsageError
from cems_tui.interrupts import shielded
from cems_tui.paths import ensure
from cems_tui.routing.card import Card
from cems_tui.routing.checkpoint import load_card, plain_name
from cems_tui.routing.package import keep, read_package

ENDINGS = (".json", ".safetensors")


def names() -> list[str]:
    """Every readable router."""
    return [card.name for card in wiring.router_shelf().cards()]


def folder_of(name: str) -> Path:
    """The folder a router lies in, one's own before a shipped one of the same name.

    Raises:
        UnknownName: there is no such router.
    """
    for folder in wiring.router_folders():
        if (folder / f"{plain_name(name)}.json").is_file():
            return folder
    raise UnknownName.of("router", name, names())


def own_files(name: str) -> list[Path]:
    """The files of a router of one's own.

    Raises:
        UnknownName: there is no such router.
        UsageError: it is shipped with the program.
    """
    folder = paths.current().routers
    found = [folder / f"{plain_name(name)}{ending}" for ending in ENDINGS]
    found = [file for file in found if file.is_file()]
    if found:
        return found
    if name in names():
        raise UsageError(
            f"router {name} is shipped with cems-tui and stays",
            "`cems router use` chooses another.",
        )
    raise UnknownName.of("router", name, names())


def is_shipped(name: str) -> bool:
    """Whether the program brings a router of that name."""
    own = paths.current().routers
    return any(
        (folder / f"{name}.json").is_file() for folder in wiring.router_folders() if folder != own
    )


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


def take_in(path: Path, name: str | None) -> Card:
    """The router of an exported file among one's own, whole or not at all.

    Args:
        name: what to call it; None leaves its name.

    Raises:
        UsageError: there is no such file, or the name is taken.
        WeightsError: it is not a router's file, or is damaged.
        StorageError: it cannot be written.
    """
    package = read_package(path)
    if name is not None:
        package = package.renamed(name)
    if package.name in names():
        raise UsageError(
            f"there is a router {package.name} already", "Give it another name with --name."
        )
    folder = ensure(paths.current().routers)
    check = Path(tempfile.mkdtemp(prefix=".import-", dir=folder))
    try:
        with shielded():
            keep(package, folder, check, wiring.text_towers())
    finally:
        shutil.rmtree(check, ignore_errors=True)
    return load_card(folder, package.name)
