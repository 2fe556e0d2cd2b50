"""What may be done with the pictures of the past: to the trash and back, forgotten, handed on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cems_tui.domain.generation import Generation
from cems_tui.errors import StorageError, UnknownName, UsageError
from cems_tui.files import SHARED, copy_plain, storage, whole_file
from cems_tui.paths import ensure
from cems_tui.store.database import Store
from cems_tui.store.receipts import read_receipt, without_texts
from cems_tui.text import counted

FLAT = (
    *("id", "created", "session", "prompt", "negative", "function", "executed", "seed"),
    *("width", "height", "steps", "guidance", "router", "cost_usd", "cost_source"),
    *("load_cost_usd", "peak_memory_bytes", "energy_wh", "rating", "starred", "image"),
)
"""What of a picture's object stands in a table as it is."""

SECONDS = ("load", "encode", "denoise", "decode", "score", "total")


@dataclass(frozen=True, slots=True)
class History:
    """The pictures of one profile."""

    store: Store
    forget_elsewhere: Callable[[Collection[str]], list[str]] = lambda prompts: []
    """Takes prompts out of whatever else keeps them; the names of what had any."""

    def meant(self, ids: Iterable[str], search: str | None, *, hidden: bool) -> list[Generation]:
        """The pictures that are named, or found; those of the trash, or the others.

        Raises:
            UnknownName: there is no such picture, or it is already where it should go.
            UsageError: an id is that of several, the search cannot be one, or neither is given.
        """
        named = [self.store.generation(one) for one in ids]
        if search is not None:
            named += self.store.generations(search, hidden=hidden)
        elif not named:
            raise UsageError("no picture is named", "Name its id, or find some with --search.")
        return list({one.id: one for one in named}.values())

    def discard(self, pictures: Sequence[Generation]) -> None:
        """Put pictures into the trash: out of the history, files and rows kept.

        Raises:
            StorageError: it cannot be written.
        """
        for one in pictures:
            self.store.hide(one.id)

    def restore(self, pictures: Sequence[Generation]) -> None:
        """Take pictures back from the trash.

        Raises:
            StorageError: it cannot be written.
        """
        for one in pictures:
            self.store.hide(one.id, hidden=False)

    def forget(self, pictures: Sequence[Generation]) -> list[str]:
        """Remove pictures for good: their files, their rows, every copy of their prompts.

        Returns:
            What has to be told of it, a line each: what stays, and what went besides.

        Raises:
            StorageError: it cannot be written.
        """
        prompts = {one.prompt for one in pictures}
        routers = self.forget_elsewhere(prompts)
        told = [f"router {name} keeps its numbers, and not the text" for name in routers]
        for one in pictures:
            if not one.image.exists():
                continue
            if _is(one):
                with storage(str(one.image), "Check the permissions of the file and its folder."):
                    one.image.unlink()
            else:
                told.append(f"{one.image} stays: it is not that picture any more")
        for copy in self.store.forget([one.id for one in pictures]):
            told.append(f"{copy} is removed: it was the history before an update, with the prompt")
        waiting = sum(job.title in prompts for job in self.store.queue.jobs())
        if waiting:
            told.append(f"{counted(waiting, 'job')} of that prompt still waits: cems queue rm")
        return told

    def hand_on(self, pictures: Iterable[Generation], folder: Path, *, stripped: bool) -> int:
        """Copy pictures into a folder; how many there were to copy.

        Args:
            stripped: without their receipts: nobody learns prompts, seeds and prices from them.

        Raises:
            UsageError: a file of that name is there.
            StorageError: it cannot be written.
        """
        count = 0
        ensure(folder)
        for one in pictures:
            if not one.image.exists():
                continue
            target = folder / one.image.name
            if target.exists():
                raise UsageError(f"{target} exists already", "Choose a new folder.")
            with whole_file(target, mode=SHARED) as file:
                if stripped:
                    file.write(without_texts(one.image))
                else:
                    copy_plain(one.image, file)
            count += 1
        return count


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """A picture's object as one row of a table: seconds by phase, scores and scorers by metric."""
    decision = row["decision"]
    chosen: Mapping[str, Any] = next(
        (one for one in decision["candidates"] if one["function"] == row["function"]), {}
    )
    found = {name: row.get(name) for name in FLAT}
    found |= {f"seconds_{part}": row["seconds"].get(part) for part in SECONDS}
    found |= {
        "policy": decision["policy"]["kind"],
        "policy_value": decision["policy"]["value"],
        "metric": decision["metric"],
        "predicted_quality": chosen.get("quality"),
    }
    for metric, value in row["scores"].items():
        found[f"score_{metric}"] = value
        found[f"scorer_{metric}"] = row["scorers"].get(metric)
    return found


def columns(rows: Iterator[dict[str, Any]]) -> list[str]:
    """The columns of flat rows, in the order they first stand in."""
    found: dict[str, None] = {}
    for row in rows:
        found |= dict.fromkeys(row)
    return list(found)


def _is(picture: Generation) -> bool:
    """Whether the file is still that picture."""
    try:
        return str(read_receipt(picture.image)["id"]) == picture.id
    except (UsageError, StorageError, UnknownName):
        return False
