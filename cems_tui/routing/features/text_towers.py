"""The CLIP text towers of this machine: of installed pipelines, of pulled models, of folders.

A pipeline's text encoder is read where it lies, so a router that reads it costs no download.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cems_tui.domain.encoder import EncoderFacts
from cems_tui.domain.function import Catalog
from cems_tui.errors import ModelMissing, UnknownName, WeightsError
from cems_tui.files import read_json, write_text
from cems_tui.paths import ensure
from cems_tui.routing.features.clip_text import TextTower, read_tower, tower_digest

CEMS_TOWER = "openai/clip-vit-base-patch16"
"""The tower of the paper: taken before any other where it is on this machine."""

_MISSING = (
    f"`cems pull {CEMS_TOWER}` fetches the tower of the paper; --encoder takes a folder or the "
    "name of an installed pipeline; --features instant needs none."
)


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that may hold a text tower."""

    name: str
    """What the tower is called in cards."""

    folder: Path


class TextTowers:
    """The towers of some places, each read once."""

    def __init__(self, places: Callable[[], Sequence[Place]]) -> None:
        """`places` is asked when a tower is first wanted: instant routers pay nothing."""
        self._places = places
        self._read: dict[str, TextTower] = {}

    def find(self, encoder: EncoderFacts) -> TextTower:
        """The tower of exactly that digest, wherever it is.

        Raises:
            WeightsError: it is not here, or what is here under its name has another digest.
        """
        if encoder.sha256 in self._read:
            return self._read[encoder.sha256]
        other = None
        places = sorted(self._places(), key=lambda place: place.name != encoder.id)
        for place in places:
            digest = _digest(place.folder)
            if digest == encoder.sha256:
                tower = read_tower(place.folder, encoder.id)
                self._read[encoder.sha256] = tower
                return tower
            if place.name == encoder.id and digest is not None:
                other = digest
        if other is not None:
            raise WeightsError(
                f"the text tower {encoder.id} is not the one the router was trained with: "
                f"trained with {encoder.sha256}, here is {other}",
                "Train the router again with `cems router train`, or bring the old tower back.",
            )
        raise WeightsError(
            f"the text tower {encoder.id} ({encoder.sha256}) is not on this machine", _MISSING
        )

    def choose(self, wanted: str | None) -> tuple[TextTower, Path]:
        """The tower to train with, and where it lies.

        Args:
            wanted: the name of an installed pipeline or pulled model, or a folder; None is the
                paper's tower if it is here, else the first installed pipeline's.

        Raises:
            UnknownName: nothing is called that.
            ModelMissing: there is no tower at all.
            WeightsError: its files are damaged or not a CLIP text model's.
        """
        places = list(self._places())
        if wanted is not None:
            place = next((place for place in places if place.name == wanted), None)
            if place is not None:
                return read_tower(place.folder, place.name), place.folder
            if Path(wanted).is_dir():
                folder = Path(wanted).absolute()
                return read_tower(folder), folder
            raise UnknownName.of("text tower", wanted, [place.name for place in places])
        for place in sorted(places, key=lambda place: place.name != CEMS_TOWER):
            if _digest(place.folder) is not None:
                return read_tower(place.folder, place.name), place.folder
        raise ModelMissing("there is no CLIP text tower on this machine", _MISSING)


def places_of(catalog: Catalog, models: Path, remembered: Path) -> list[Place]:
    """Where towers may lie: Hub cache, pulled models, installed pipelines, folders trained from.

    Args:
        catalog: tells the installed pipelines.
        models: the folder that models are pulled into.
        remembered: the file of the folders that routers were trained from.
    """
    pulled = [
        Place(folder.parent.name.replace("--", "/", 1), folder)
        for folder in sorted(models.glob("*--*/*"))
        if (folder / "config.json").is_file()
    ]
    pipelines = [
        Place(model.name, model.path)
        for model in catalog.models().values()
        if model.path is not None and _is_clip(model.path / "text_encoder")
    ]
    return [*_in_the_hub_cache(), *pulled, *pipelines, *_read_places(remembered)]


def remember(tower: TextTower, folder: Path, file: Path) -> None:
    """Keep in a file where a tower lies, so that routers trained with it find it again.

    Raises:
        StorageError: it cannot be written.
    """
    known = {place.name: str(place.folder) for place in _read_places(file)}
    known[tower.facts.id] = str(folder)
    text = json.dumps(known, indent=1, sort_keys=True) + "\n"
    ensure(file.parent)
    write_text(file, text)


def _read_places(file: Path) -> list[Place]:
    try:
        known = read_json(file)
        return [Place(str(name), Path(str(folder))) for name, folder in known.items()]
    except (OSError, ValueError, AttributeError):
        return []


def _in_the_hub_cache() -> Iterable[Place]:
    """The paper's tower in the user's Hugging Face cache, if it is there."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    snapshots = cache / f"models--{CEMS_TOWER.replace('/', '--')}" / "snapshots"
    return [
        Place(CEMS_TOWER, folder)
        for folder in sorted(snapshots.glob("*"))
        if (folder / "config.json").is_file()
    ]


def _is_clip(folder: Path) -> bool:
    try:
        config = read_json(folder / "config.json")
        return config.get("model_type") in ("clip", "clip_text_model")
    except (OSError, ValueError, AttributeError):
        return False


def _digest(folder: Path) -> str | None:
    """The digest of the tower in the folder; None when there is none to read."""
    try:
        return tower_digest(folder)
    except WeightsError:
        return None
