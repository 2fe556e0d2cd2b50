"""Loads a family whose models are plain diffusers folders; what differs between them is data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from cems_tui.errors import WeightsError
from cems_tui.generation.device import likely_kind, torch_device
from cems_tui.generation.families.anatomy import Anatomy
from cems_tui.generation.families.components import (
    check_digest,
    check_files,
    check_tokenizer,
    component_class,
    load_network,
    read_index,
)
from cems_tui.generation.families.diffusers_pipeline import DiffusersPipeline
from cems_tui.generation.families.settings import EngineSettings
from cems_tui.generation.families.translate import loading_error
from cems_tui.generation.function import GenerationFunction
from cems_tui.generation.shelf import Shelf
from cems_tui.generation.weight_files import Precision, component_files, expected_weight_bytes
from cems_tui.quiet import hush

_HALF_PRECISION_DEVICES = ("cuda", "xpu")


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
    """What its weights are loaded as: float16 on cuda and xpu and float32 elsewhere, or
    bfloat16 everywhere: the large ones would not fit the memory of most machines twice."""

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
        precision = self._precision(device, settings)
        if check_files(folder, self.networks_of(index), precision) <= settings.verify_bytes:
            check_digest(model, folder)
        self.warm_up(folder)
        try:
            keys = self._keys(folder, index, precision, shelf)
            pipe = self._assemble(folder, index, device, precision, keys, shelf)
        except Exception as error:
            raise loading_error(error, model.name, folder) from error
        return DiffusersPipeline(
            pipe, model.name, self.anatomy, shelf, keys, threads=settings.threads
        )

    def expected_weights(
        self, folder: Path, settings: EngineSettings, shelf: Shelf
    ) -> dict[str, int]:
        """Device bytes the weights will hold, by content.

        Raises:
            WeightsError: a file is missing or damaged.
        """
        index = self._index(folder)
        precision = self._precision(likely_kind(settings.device), settings)
        check_files(folder, self.networks_of(index), precision)
        keys = self._keys(folder, index, precision, shelf)
        return {key: expected_weight_bytes(folder, [name], precision) for name, key in keys.items()}

    def warm_up(self, folder: Path) -> None:
        """Import torch, diffusers and the classes of the folder's networks (6 s cold), quietly.

        Raises:
            WeightsError: the folder names none, or classes that are not to be trusted.
        """
        index = self._index(folder)
        hush()
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

    def _precision(self, device: str, settings: EngineSettings) -> Precision:
        if settings.precision is not None:
            return settings.precision
        if self.precision == "bfloat16" or device in _HALF_PRECISION_DEVICES:
            return self.precision
        return "float32"

    def _class(self) -> Any:
        import diffusers

        return getattr(diffusers, self.pipeline_class)

    def _keys(
        self, folder: Path, index: dict[str, Any], precision: Precision, shelf: Shelf
    ) -> dict[str, str]:
        """What the content of each network is called on the shelf."""
        return {
            name: shelf.key(
                str(index[name][1]),
                folder / name,
                component_files(folder / name, precision),
                precision,
            )
            for name in self.networks_of(index)
        }

    def _assemble(
        self,
        folder: Path,
        index: dict[str, Any],
        device: str,
        precision: Precision,
        keys: Mapping[str, str],
        shelf: Shelf,
    ) -> Any:
        def loader(name: str) -> Callable[[], Any]:
            return partial(_load_onto, device, folder, name, index, precision)

        networks = {name: shelf.network(key, loader(name)) for name, key in keys.items()}
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


def _load_onto(
    device: str, folder: Path, name: str, index: dict[str, Any], precision: Precision
) -> Any:
    return load_network(folder, name, index, precision).to(device)
