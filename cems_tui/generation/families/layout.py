"""Loads a family whose models are plain diffusers folders; what differs between them is data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from cems_tui.domain.function import GenerationFunction, Model
from cems_tui.errors import WeightsError
from cems_tui.files import read_json
from cems_tui.generation.device import likely_kind, torch_device
from cems_tui.generation.families.anatomy import Anatomy, EngineSettings
from cems_tui.generation.families.diffusers_pipeline import DiffusersPipeline
from cems_tui.generation.families.library_errors import loading_error
from cems_tui.generation.families.offload import IN_PARTS, layers_bytes, offload
from cems_tui.generation.families.skeleton import Skeleton, skeleton_of
from cems_tui.generation.meter import bring_in
from cems_tui.generation.networks import Shelf, key_of, network_print, weights_digest
from cems_tui.generation.precision import (
    chosen_precision,
    has_bfloat16_processor,
    refuse_lacking,
)
from cems_tui.generation.weight_files import (
    Precision,
    component_files,
    expected_weight_bytes,
    has_usual_name,
    read_header,
    variant_of,
)
from cems_tui.lean_imports import lean_imports
from cems_tui.log import hush


@dataclass(frozen=True, slots=True)
class Layout:
    """The folder of a family, and how it is brought to the device.

    Only safetensors are read, nothing is fetched, and no code of the folder is run.
    """

    pipeline_class: str
    """The diffusers class; a folder of another class is refused."""

    networks: tuple[str, ...]
    """The components that hold weights."""

    tokenizers: Mapping[str, str]
    """Tokenizer component to the text encoder whose vocabulary it must fill."""

    arguments: Mapping[str, Any] = field(default_factory=dict)
    """What the pipeline is built with beside its components."""

    optional: tuple[str, ...] = ()
    """Networks that a folder may leave out: its model_index.json says null."""

    precision: Literal["float16", "bfloat16"] = "float16"
    """What its weights are loaded as where nothing else is asked for: float16 as far as the
    device computes in it, see `chosen_precision`, or bfloat16 everywhere: the large ones would
    not fit the memory of most machines twice."""

    anatomy: Anatomy = field(default_factory=Anatomy)

    def load(
        self, function: GenerationFunction, folder: Path, settings: EngineSettings, shelf: Shelf
    ) -> DiffusersPipeline:
        """The pipeline of a folder, on the device.

        Raises:
            WeightsError: the folder is damaged, incomplete or of another pipeline class.
            OutOfMemory: the device has no room for the weights.
        """
        model = function.model
        index = self._index(folder)
        device = torch_device(settings.device)
        precision = self._precision(folder, index, device, settings)
        if settings.precision is not None:
            refuse_lacking(device, precision)
        if check_files(folder, self.networks_of(index), precision) <= settings.verify_bytes:
            check_digest(model, folder)
        self.warm_up(folder)
        try:
            keys = self._keys(folder, index, precision, shelf, settings.in_parts)
            pipe = self._assemble(folder, index, device, precision, keys, shelf, settings.in_parts)
        except Exception as error:
            raise loading_error(error, model.name, folder) from error
        held = self._held_whole(keys, settings.in_parts)
        return DiffusersPipeline(
            pipe,
            model.name,
            self.anatomy,
            shelf,
            held,
            f"{precision}, {IN_PARTS}" if settings.in_parts else precision,
            device,
            layers={} if held == keys else self._layers(folder, keys, precision),
            threads=settings.threads,
        )

    def expected_weights(
        self, folder: Path, settings: EngineSettings, shelf: Shelf
    ) -> dict[str, int]:
        """Device bytes the weights will hold, by content.

        Raises:
            WeightsError: a file is missing or damaged.
        """
        index = self._index(folder)
        precision = self._precision(folder, index, likely_kind(settings.device), settings)
        check_files(folder, self.networks_of(index), precision)
        keys = self._keys(folder, index, precision, shelf, settings.in_parts)
        whole = self._held_whole(keys, settings.in_parts)
        held = {k: expected_weight_bytes(folder, [name], precision) for name, k in whole.items()}
        return held if whole == keys else held | self._layers(folder, keys, precision)

    def held_weights(self, folder: Path, settings: EngineSettings) -> dict[str, int]:
        """Device bytes the weights will hold, by their likely content: no file is compared.

        Raises:
            WeightsError: a file is missing or damaged.
        """
        index = self._index(folder)
        precision = self._precision(folder, index, likely_kind(settings.device), settings)
        held = {}
        for name in self.networks_of(index):
            files = [read_header(path) for path in component_files(folder / name, precision)]
            network = network_print(str(index[name][1]), folder / name, files)
            held[key_of(network, precision)] = expected_weight_bytes(folder, [name], precision)
        return held

    def precision_of(self, folder: Path, settings: EngineSettings) -> Precision:
        """What the weights of a folder would be loaded as.

        Raises:
            WeightsError: a file is missing or damaged.
        """
        kind = likely_kind(settings.device)
        return self._precision(folder, self._index(folder), kind, settings)

    def warm_up(self, folder: Path) -> None:
        """Import torch, diffusers and the classes of the folder's networks (6 s cold), quietly.

        Raises:
            WeightsError: the folder names none, or classes that are not to be trusted.
        """
        index = self._index(folder)
        hush()
        with lean_imports():
            self._class()
            for name in self.networks_of(index):
                component_class(folder, name, index)
        hush()

    def check_index(self, index: Mapping[str, Any]) -> None:
        """Refuse a model_index.json that leaves out a network the family needs.

        Raises:
            WeightsError: it does.
        """
        held = self.networks_of(index)
        if lost := [n for n in self.networks if n not in held and n not in self.optional]:
            raise WeightsError(f"its model_index.json names no {lost[0]}")

    def networks_of(self, index: Mapping[str, Any]) -> tuple[str, ...]:
        """The family's networks that a model_index.json names."""
        return tuple(name for name in self.networks if any(index.get(name) or ()))

    def _index(self, folder: Path) -> dict[str, Any]:
        index = read_index(folder)
        if index.get("_class_name") != self.pipeline_class:
            raise WeightsError(
                f"{folder} holds a {index.get('_class_name')}, not a {self.pipeline_class}"
            )
        try:
            self.check_index(index)
        except WeightsError as error:
            raise WeightsError(f"{folder} cannot be loaded: {error}") from error
        return index

    def _precision(
        self, folder: Path, index: dict[str, Any], device: str, settings: EngineSettings
    ) -> Precision:
        return chosen_precision(
            settings.precision,
            self.precision,
            device,
            full_bytes=expected_weight_bytes(folder, self.networks_of(index)),
            bfloat16_processor=has_bfloat16_processor(),
        )

    def _class(self) -> Any:
        import diffusers

        return getattr(diffusers, self.pipeline_class)

    def _keys(
        self,
        folder: Path,
        index: dict[str, Any],
        precision: Precision,
        shelf: Shelf,
        in_parts: bool,
    ) -> dict[str, str]:
        """What the content of each network is called on the shelf.

        One whose layers are brought in turn is another network than one that is there.
        """
        keys = {
            name: shelf.key(
                str(index[name][1]),
                folder / name,
                component_files(folder / name, precision),
                precision,
            )
            for name in self.networks_of(index)
        }
        return {
            name: f"{key}, in parts" if in_parts and name != self.anatomy.decoder else key
            for name, key in keys.items()
        }

    def _held_whole(self, keys: Mapping[str, str], in_parts: bool) -> Mapping[str, str]:
        """The networks that are on the device as long as the pipeline is."""
        return {self.anatomy.decoder: keys[self.anatomy.decoder]} if in_parts else keys

    def _layers(
        self, folder: Path, keys: Mapping[str, str], precision: Precision
    ) -> dict[str, int]:
        """Device bytes of the layers that are there at once, of all networks but the decoder."""
        others = {name: key for name, key in keys.items() if name != self.anatomy.decoder}
        files = [component_files(folder / name, precision) for name in others]
        return {" + ".join(others.values()): layers_bytes(files, precision)}

    def _assemble(
        self,
        folder: Path,
        index: dict[str, Any],
        device: str,
        precision: Precision,
        keys: Mapping[str, str],
        shelf: Shelf,
        in_parts: bool,
    ) -> Any:
        def bring(name: str) -> Any:
            if in_parts and name != self.anatomy.decoder:
                network = _bring(shelf, keys[name], "cpu", folder, name, index, precision)
                offload(network, device)
                return network
            return _bring(shelf, keys[name], device, folder, name, index, precision)

        networks = {name: shelf.network(key, partial(bring, name)) for name, key in keys.items()}
        shelf.arenas.release()
        absent = {name: None for name in self.optional if name not in networks}
        absent |= {name: None for name, encoder in self.tokenizers.items() if encoder in absent}
        pipe = self._class().from_pretrained(
            folder,
            **networks,
            **absent,
            **self.arguments,
            local_files_only=True,
            use_safetensors=True,
        )
        for tokenizer, encoder in self.tokenizers.items():
            if encoder in networks:
                words = pipe.components[tokenizer]
                check_tokenizer(folder / tokenizer, words, networks[encoder], self.anatomy.chat)
        pipe.set_progress_bar_config(disable=True)
        return pipe


def _bring(
    shelf: Shelf,
    key: str,
    device: str,
    folder: Path,
    name: str,
    index: dict[str, Any],
    precision: Precision,
) -> Any:
    """A network on the device: filled from its skeleton, or as its library loads it."""
    if key not in shelf.skeletons:
        files = component_files(folder / name, precision)
        network_class = component_class(folder, name, index)
        shelf.skeletons[key] = skeleton_of(network_class, folder / name, files, precision)
    skeleton: Skeleton | None = shelf.skeletons[key]
    if skeleton is not None:
        return skeleton.filled(shelf.arenas, device)
    network = load_network(folder, name, index, precision).to(device)
    bring_in(network)
    return network


# Loads the networks of a diffusers folder one by one, and refuses what is not whole.
#
# diffusers alone starts with random numbers where weights are missing and with an empty
# vocabulary where a tokenizer is missing, and draws anyway.

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
        index = read_json(path)
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
