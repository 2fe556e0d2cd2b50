"""The text encoders of this machine: what ships, of installed pipelines, pulled models, folders.

A pipeline's text encoder is read where it lies, so a router that reads it costs no download; the
sentence encoder comes with the program, and a pulled copy of it stands in for that one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from cems_tui.domain.encoder import EncoderFacts
from cems_tui.domain.function import Catalog
from cems_tui.errors import ModelMissing, UnknownName, UsageError, WeightsError
from cems_tui.files import read_json, write_text
from cems_tui.paths import ensure
from cems_tui.routing.features.clip_text import read_tower, tower_digest
from cems_tui.routing.features.encoder_files import is_sentence_encoder, read_sentence_encoder
from cems_tui.routing.features.text_encoder import LentTower, TextEncoder, TowerRoom

CEMS_TOWER = "openai/clip-vit-base-patch16"
"""The tower of the paper: taken before any other where it is on this machine."""

SENTENCE_ENCODER = "all-minilm-l6-v2"
"""The sentence encoder that comes with the program, as the catalog names it too."""

SENTENCE_REPOSITORY = "sentence-transformers/all-MiniLM-L6-v2"

Kind = Literal["clip", "text"]

_MISSING_SENTENCES = (
    f"`cems pull {SENTENCE_ENCODER}` fetches it; or reinstall cems-tui, which brings it."
)
_MISSING = (
    f"`cems pull {CEMS_TOWER}` fetches the tower of the paper; --encoder takes a folder or the "
    "name of an installed pipeline; --features instant needs none."
)


_WORDS: Mapping[Kind, str] = {"clip": "CLIP text tower", "text": "sentence encoder"}


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that may hold a text tower."""

    name: str
    """What the tower is called in cards."""

    folder: Path


class TextTowers:
    """The towers of some places, each read once."""

    def __init__(
        self, places: Callable[[], Sequence[Place]], room: TowerRoom | None = None
    ) -> None:
        """Read nothing yet.

        Args:
            places: asked when a tower is first wanted: instant routers pay nothing.
            room: where towers are kept that are found by their digest; None keeps them for good.
        """
        self._places = places
        self._room = room
        self._read: dict[str, TextEncoder] = {}
        self._sentences: dict[Path, TextEncoder | None] = {}

    def find(self, encoder: EncoderFacts) -> TextEncoder:
        """The encoder of exactly that digest, wherever it is.

        Raises:
            WeightsError: it is not here, or what is here under its name has another digest.
        """
        if encoder.sha256 in self._read:
            return self._read[encoder.sha256]
        other = None
        places = sorted(self._places(), key=lambda place: place.name != encoder.id)
        for place in places:
            digest = self._digest(place.folder, encoder.kind)
            if digest == encoder.sha256:
                tower = self._open(place.folder, encoder.id, encoder.kind)
                if self._room is not None:
                    self._sentences.pop(place.folder, None)
                    load = partial(_read, place.folder, encoder.id, encoder.kind)
                    tower = LentTower.of(tower, self._room, load)
                self._read[encoder.sha256] = tower
                return tower
            if place.name == encoder.id and digest is not None:
                other = digest
        if other is not None:
            raise WeightsError(
                f"the {_WORDS[encoder.kind]} {encoder.id} is not the one the router was trained "
                f"with: trained with {encoder.sha256}, here is {other}",
                "Train the router again with `cems router train`, or bring the old one back."
                if encoder.kind == "clip"
                else _MISSING_SENTENCES,
            )
        raise WeightsError(
            f"the {_WORDS[encoder.kind]} {encoder.id} ({encoder.sha256}) is not on this machine",
            _MISSING if encoder.kind == "clip" else _MISSING_SENTENCES,
        )

    def choose(self, wanted: str | None, kind: Kind = "clip") -> tuple[TextEncoder, Path]:
        """The encoder to train with, and where it lies.

        Args:
            wanted: the name of an installed pipeline or pulled model, or a folder; None is for
                `clip` the paper's tower if it is here, else the first installed pipeline's, and
                for `text` the sentence encoder that comes with the program.
            kind: what the features are.

        Raises:
            UnknownName: nothing is called that.
            UsageError: what is called that is an encoder of the other kind.
            ModelMissing: there is no encoder at all.
            WeightsError: its files are damaged or not those of that kind.
        """
        places = list(self._places())
        if wanted is not None:
            place = next((place for place in places if place.name == wanted), None)
            if place is None and Path(wanted).is_dir():
                folder = Path(wanted).absolute()
                place = Place(folder.name, folder)
            if place is None:
                raise UnknownName.of("text tower", wanted, [place.name for place in places])
            if is_sentence_encoder(place.folder) != (kind == "text"):
                other: Kind = "clip" if kind == "text" else "text"
                raise UsageError(
                    f"{wanted} is no {_WORDS[kind]}",
                    f"--features {other} reads a {_WORDS[other]}.",
                )
            return self._open(place.folder, place.name, kind), place.folder
        first = CEMS_TOWER if kind == "clip" else SENTENCE_ENCODER
        for place in sorted(places, key=lambda place: place.name != first):
            if self._digest(place.folder, kind) is not None:
                name = SENTENCE_ENCODER if place.name == SENTENCE_REPOSITORY else place.name
                return self._open(place.folder, name, kind), place.folder
        raise ModelMissing(
            f"there is no {_WORDS[kind]} on this machine",
            _MISSING if kind == "clip" else _MISSING_SENTENCES,
        )

    def _open(self, folder: Path, name: str, kind: Kind) -> TextEncoder:
        if kind == "clip":
            return _read(folder, name, kind)
        known = self._sentences.get(folder)
        if known is None or known.facts.id != name:
            known = self._sentences[folder] = _read(folder, name, kind)
        return known

    def _digest(self, folder: Path, kind: Kind) -> str | None:
        """The digest of the folder's encoder of that kind; None when there is none to read."""
        try:
            if kind == "clip":
                return None if is_sentence_encoder(folder) else tower_digest(folder)
            if not is_sentence_encoder(folder):
                return None
            if folder not in self._sentences:
                self._sentences[folder] = read_sentence_encoder(folder, SENTENCE_ENCODER)
            known = self._sentences[folder]
            return None if known is None else known.facts.sha256
        except WeightsError:
            return None


def _read(folder: Path, name: str, kind: Kind) -> TextEncoder:
    return read_tower(folder, name) if kind == "clip" else read_sentence_encoder(folder, name)


def places_of(
    catalog: Catalog, models: Path, remembered: Path, shipped: Path | None = None
) -> list[Place]:
    """Where encoders may lie: with the program, in the Hub cache, pulled, of pipelines, folders.

    Args:
        catalog: tells the installed pipelines.
        models: the folder that models are pulled into.
        remembered: the file of the folders that routers were trained from.
        shipped: the folder of the sentence encoder that comes with the program.
    """
    brought = [Place(SENTENCE_ENCODER, shipped)] if shipped is not None else []
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
    return [*brought, *_in_the_hub_cache(), *pulled, *pipelines, *_read_places(remembered)]


def remember(tower: TextEncoder, folder: Path, file: Path) -> None:
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
    """The paper's tower and the sentence encoder in the user's Hugging Face cache, if there."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    return [
        Place(name, folder)
        for name in (CEMS_TOWER, SENTENCE_REPOSITORY)
        for folder in sorted((cache / f"models--{name.replace('/', '--')}").glob("snapshots/*"))
        if (folder / "config.json").is_file()
    ]


def _is_clip(folder: Path) -> bool:
    try:
        config = read_json(folder / "config.json")
        return config.get("model_type") in ("clip", "clip_text_model")
    except (OSError, ValueError, AttributeError):
        return False
