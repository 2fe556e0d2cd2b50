"""Weights that are published as pickles only, kept as safetensors; the pickles are removed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from cems_tui.digest import file_digest
from cems_tui.errors import WeightsError
from cems_tui.models.files import storage
from cems_tui.models.ledger import PinnedFile
from cems_tui.models.plan import PICKLES

Converter = Callable[[Path, Path], None]
"""Reads the tensors of a verified pickle, in a process of its own, and writes a safetensors file.

Called with the pickle and the file to write. It raises WeightsError where it cannot.
"""


def refuse_without(converter: Converter | None, model: str) -> Converter:
    """The converter, where there is one.

    Raises:
        WeightsError: there is none, so fetching would be for nothing.
    """
    if converter is None:
        raise WeightsError(
            f"the weights of {model} come as pickles only, and nothing here converts them",
            "Convert a copy you trust to safetensors, and use that.",
        )
    return converter


def kept_as_safetensors(
    folder: Path, files: Iterable[PinnedFile], converter: Converter
) -> tuple[PinnedFile, ...]:
    """The model's files once its pickles were converted; those are gone then.

    Raises:
        WeightsError: a pickle holds something else than tensors.
        StorageError: the disk refuses.
    """
    kept = []
    for file in files:
        source = folder / file.path
        if not file.path.lower().endswith(PICKLES):
            kept.append(file)
            continue
        target = source.with_suffix(".safetensors")
        with storage(str(target)):
            converter(source, target)
            size = target.stat().st_size
            digest = file_digest(target).removeprefix("sha256:")
            source.unlink()
        kept.append(PinnedFile(target.relative_to(folder).as_posix(), size, digest))
    return tuple(kept)
