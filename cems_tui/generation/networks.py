"""The networks in memory, by content: models that hold an equal one share it.

Two component folders are equal when their configurations say the same and their tensors are
byte for byte the same; the names of files and folders do not matter. Files are compared only
when their outlines and a few blocks agree, once in a process, and up to the first difference.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakValueDictionary

from cems_tui.errors import WeightsError
from cems_tui.files import file_digest, read_json
from cems_tui.generation.host_arena import HostArenas
from cems_tui.generation.weight_files import (
    FileIdentity,
    Precision,
    WeightFile,
    content_print,
    file_identity,
    read_header,
)

_BLOCK_BYTES = 1 << 20
_LIBRARY_NOTES = frozenset({"transformers_version", "torch_dtype", "dtype", "architectures"})
"""What libraries write into a configuration that does not change the network."""


@dataclass(frozen=True, slots=True)
class _Sighting:
    """The first files seen with some content."""

    name: str
    files: list[WeightFile]
    identities: tuple[FileIdentity, ...]

    def still_there(self) -> bool:
        try:
            return self.identities == tuple(file_identity(file.path) for file in self.files)
        except OSError:
            return False


class Shelf:
    """Hands out one network for each content, as long as somebody holds it.

    It keeps nothing alive: a network leaves memory with the last pipeline that uses it.
    """

    def __init__(self) -> None:
        self.drawing = Lock()
        """Held while a pipeline draws: others may be using the same networks."""

        self.arenas = HostArenas()
        """The main memory that networks are read into."""

        self.skeletons: dict[str, Any] = {}
        """How networks are filled, by key; None where their library loads them."""

        self._networks: WeakValueDictionary[str, Any] = WeakValueDictionary()
        self._keys: dict[tuple[str, tuple[FileIdentity, ...]], str] = {}
        self._distinct: dict[str, list[_Sighting]] = {}
        self._lock = Lock()

    def key(
        self, class_name: str, folder: Path, paths: Sequence[Path], precision: Precision
    ) -> str:
        """What equal networks have in common: equal keys mean equal content.

        Args:
            class_name: the network's class.
            folder: the component folder, for its config.json.
            paths: its weight files.
            precision: what they are loaded as.

        Raises:
            WeightsError: a file is damaged or missing.
        """
        files = [read_header(path) for path in paths]
        like = network_print(class_name, folder, files)
        identities = tuple(file_identity(path) for path in paths)
        with self._lock:
            if (like, identities) not in self._keys:
                self._keys[like, identities] = self._name(like, files, identities)
            return key_of(self._keys[like, identities], precision)

    def network(self, key: str, load: Callable[[], Any]) -> Any:
        """The network of that content, loaded if nobody holds it."""
        network = self._networks.get(key)
        if network is None:
            network = self._networks[key] = load()
        return network

    def hold(self, keys: Iterable[str]) -> list[Any]:
        """Those of these networks that are in memory; they stay while the list does."""
        return [network for key in keys if (network := self._networks.get(key)) is not None]

    def _name(
        self, like: str, files: list[WeightFile], identities: tuple[FileIdentity, ...]
    ) -> str:
        known = self._distinct.setdefault(like, [])
        for seen in known:
            if seen.still_there() and _same_tensors(files, seen.files):
                return seen.name
        name = f"{like}-{len(known)}" if known else like
        known.append(_Sighting(name, files, identities))
        return name


_PRINT_CHARACTERS = 16


def network_print(class_name: str, folder: Path, files: Sequence[WeightFile]) -> str:
    """What a component is likely to be the same network as, in any process; nothing is compared.

    Args:
        class_name: the network's class.
        folder: the component folder, for its config.json.
        files: the headers of its weight files.

    Raises:
        WeightsError: a file is damaged or missing.
    """
    return _digest(class_name, _settings(folder), *map(content_print, files))[:_PRINT_CHARACTERS]


def key_of(network: str, precision: Precision) -> str:
    """What networks of one content in one precision are called."""
    return f"{network}:{precision}"


def _settings(folder: Path) -> str:
    """What config.json says about the network itself."""
    path = folder / "config.json"
    try:
        said = read_json(path)
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} is missing or damaged") from error
    if not isinstance(said, dict):
        raise WeightsError(f"{path} is damaged: it describes no network")
    kept = {
        name: value
        for name, value in said.items()
        if not name.startswith("_") and name not in _LIBRARY_NOTES
    }
    return json.dumps(kept, sort_keys=True)


def _same_tensors(ours: list[WeightFile], theirs: list[WeightFile]) -> bool:
    return len(ours) == len(theirs) and all(
        _same_data(one, other) for one, other in zip(ours, theirs, strict=True)
    )


def _same_data(one: WeightFile, other: WeightFile) -> bool:
    if one.path.samefile(other.path):
        return True
    with one.path.open("rb") as ours, other.path.open("rb") as theirs:
        ours.seek(one.data_start)
        theirs.seek(other.data_start)
        while block := ours.read(_BLOCK_BYTES):
            if block != theirs.read(_BLOCK_BYTES):
                return False
        return not theirs.read(1)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


# The digest that says whether two folders hold the same weights.


def weights_digest(folder: Path) -> str:
    """`sha256:…` over the lines `<relative path> sha256:<hex>` of every *.safetensors, sorted.

    Configuration files are left out: they change with library versions, weights do not.

    Raises:
        WeightsError: there is no weight file, or one cannot be read.
    """
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.safetensors")}
    if not paths:
        raise WeightsError(f"there are no weights in {folder}")
    lines = "".join(f"{name} {file_digest(paths[name])}\n" for name in sorted(paths))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"
