"""Loads a family whose models are plain diffusers folders; what differs between them is data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
from cems_tui.generation.weight_files import expected_weight_bytes
from cems_tui.quiet import hush

Precision = Literal["float16", "bfloat16"]

_HALF_PRECISION_DEVICES = ("cuda", "xpu")


@dataclass(frozen=True, slots=True)
class Layout:
    """The folder of a family: float16 on cuda and xpu, float32 elsewhere.

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

    precision: Precision = "float16"
    """What its weights are loaded as: float16 on cuda and xpu and float32 elsewhere, or
    bfloat16 everywhere."""

    anatomy: Anatomy = field(default_factory=Anatomy)

    def load(
        self, function: GenerationFunction, folder: Path, settings: EngineSettings
    ) -> DiffusersPipeline:
        """The pipeline of a folder, on the device.

        Raises:
            WeightsError: the folder is damaged, incomplete or of another pipeline class.
            OutOfMemory: the device has no room for the weights.
        """
        model = function.model
        index = self._index(folder)
        if check_files(folder, self.networks) <= settings.verify_bytes:
            check_digest(model, folder)
        self.warm_up(folder)
        device = torch_device(settings.device)
        try:
            pipe = self._assemble(folder, index, device)
        except Exception as error:
            raise loading_error(error, model.name, folder) from error
        return DiffusersPipeline(pipe, model.name, self.anatomy, threads=settings.threads)

    def expected_bytes(self, folder: Path, settings: EngineSettings) -> int:
        """Device bytes the weights will hold.

        Raises:
            WeightsError: a file is missing or damaged.
        """
        check_files(folder, self.networks)
        half = likely_kind(settings.device) in _HALF_PRECISION_DEVICES
        return expected_weight_bytes(folder, self.networks, 2 if half else 4)

    def warm_up(self, folder: Path) -> None:
        """Import torch, diffusers and the classes of the folder's networks (6 s cold), quietly.

        Raises:
            WeightsError: the folder names none, or classes that are not to be trusted.
        """
        index = self._index(folder)
        hush()
        self._class()
        for name in self.networks:
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
        return index

    def _class(self) -> Any:
        import diffusers

        return getattr(diffusers, self.pipeline_class)

    def _assemble(self, folder: Path, index: dict[str, Any], device: str) -> Any:
        import torch

        dtype = torch.float16 if device in _HALF_PRECISION_DEVICES else torch.float32
        networks = {name: load_network(folder, name, index, dtype) for name in self.networks}
        pipe = self._class().from_pretrained(
            folder, **networks, **self.arguments, local_files_only=True, use_safetensors=True
        )
        for tokenizer, encoder in self.tokenizers.items():
            vocabulary = pipe.components[encoder].config.vocab_size
            check_tokenizer(folder, tokenizer, pipe.components[tokenizer], vocabulary)
        pipe.set_progress_bar_config(disable=True)
        return pipe.to(device)
