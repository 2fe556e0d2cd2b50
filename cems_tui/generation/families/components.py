"""Loads the networks of a diffusers folder one by one, and refuses what is not whole.

diffusers alone starts with random numbers where weights are missing and with an empty
vocabulary where a tokenizer is missing, and draws anyway.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cems_tui.errors import WeightsError
from cems_tui.generation.fingerprint import weights_digest
from cems_tui.generation.function import Model
from cems_tui.generation.weight_files import (
    Precision,
    component_files,
    has_usual_name,
    read_header,
    variant_of,
)

_LIBRARIES = ("diffusers", "transformers")
_LARGEST_SPARE_VOCABULARY = 0.1
"""Share of a text encoder's vocabulary that a whole tokenizer may leave unused (padding)."""


def read_index(folder: Path) -> dict[str, Any]:
    """The model_index.json of a diffusers folder.

    Raises:
        WeightsError: it is missing or cannot be read.
    """
    path = folder / "model_index.json"
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise WeightsError(f"{path} is damaged: it is not JSON") from error
    if not isinstance(index, dict):
        raise WeightsError(f"{path} is damaged: it does not describe a pipeline")
    return index


def check_files(folder: Path, components: Iterable[str], precision: Precision = "float32") -> int:
    """Bytes on disk of the components' weight files, each found whole.

    Raises:
        WeightsError: a file is missing or cut short; the message names it.
    """
    total = 0
    for component in components:
        files = component_files(folder / component, precision)
        if not files:
            raise WeightsError(f"there are no weights in {folder / component}")
        for path in files:
            read_header(path)
            total += path.stat().st_size
    return total


def check_digest(model: Model, folder: Path) -> None:
    """Refuse a folder whose weights are not those the model's digest names.

    Raises:
        WeightsError: they differ.
    """
    if model.digest is not None and weights_digest(folder) != model.digest:
        raise WeightsError(f"the weights of {model.name} in {folder} are not those expected")


def component_class(folder: Path, name: str, index: dict[str, Any]) -> Any:
    """The class that model_index.json gives a component; importing it takes a while.

    Raises:
        WeightsError: it is not one of diffusers or transformers.
    """
    from importlib import import_module

    match index.get(name):
        case [str(library), str(class_name)] if library in _LIBRARIES:
            found = getattr(import_module(library), class_name, None)
        case _:
            found = None
    if found is None:
        raise WeightsError(f"{folder / 'model_index.json'} names no known class for {name}")
    return found


def load_network(folder: Path, name: str, index: dict[str, Any], precision: Precision) -> Any:
    """One network of the pipeline, in eval mode on the CPU, every weight read from its files.

    Raises:
        WeightsError: its class is not one we trust, or weights are missing or of another
            network.
    """
    import torch

    network_class = component_class(folder, name, index)
    with _under_usual_names(folder / name, precision) as (place, variant):
        network, report = network_class.from_pretrained(
            place,
            dtype=getattr(torch, precision),  # a variant alone would be loaded as float32
            use_safetensors=True,
            local_files_only=True,
            variant=variant,
            output_loading_info=True,
        )
    if missing := sorted(report["missing_keys"]):
        raise WeightsError(f"{folder / name} is incomplete: {_few(missing)} not in its files")
    # A text encoder's file may be that of the whole model it is a part of.
    if network_class.__module__.startswith("diffusers.") and report["unexpected_keys"]:
        strange = sorted(report["unexpected_keys"])
        raise WeightsError(
            f"{folder / name} is of another network: {_few(strange)} in its files and not in it"
        )
    return network.eval()


@contextmanager
def _under_usual_names(folder: Path, precision: Precision) -> Iterator[tuple[Path, str | None]]:
    """A component folder whose files bear the names the libraries look for, and the variant.

    A distilled network often comes as one file of another name, such as SDXL-Lightning's.
    """
    files = component_files(folder, precision)
    if len(files) != 1 or has_usual_name(files[0]):
        yield folder, variant_of(folder, precision)
        return
    with TemporaryDirectory(prefix="cems-") as made:
        place = Path(made)
        (place / "config.json").symlink_to(folder.resolve() / "config.json")
        (place / "diffusion_pytorch_model.safetensors").symlink_to(files[0].resolve())
        yield place, None


def _few(names: list[str]) -> str:
    return f"{names[0]} and {len(names) - 1} more are" if len(names) > 1 else f"{names[0]} is"


def check_tokenizer(folder: Path, tokenizer: Any, encoder: Any, chat: bool) -> None:
    """Refuse a tokenizer that does not fill its text encoder's vocabulary.

    transformers makes one of special tokens alone, silently, where the files of a CLIP tokenizer
    are missing.

    Args:
        folder: where it comes from, for the message.
        tokenizer: the loaded tokenizer.
        encoder: the text encoder that reads its tokens.
        chat: whether prompts are wrapped into its chat template.

    Raises:
        WeightsError: its files are missing or belong to another model.
    """
    vocabulary = encoder.config.get_text_config().vocab_size
    words = len(tokenizer)
    if not vocabulary * (1 - _LARGEST_SPARE_VOCABULARY) <= words <= vocabulary:
        raise WeightsError(
            f"{folder} is damaged: {words:,} tokens, and the text encoder knows {vocabulary:,}"
        )
    if chat and not tokenizer.chat_template:
        raise WeightsError(f"{folder} is incomplete: it has no chat template")
