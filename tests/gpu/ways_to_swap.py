"""Ways to draw with two models in turn on one card: ours, and the plain ways of diffusers."""

from __future__ import annotations

import gc
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch.utils._python_dispatch import TorchDispatchMode

from cems_tui.cancel import never
from cems_tui.domain.function import GenerationFunction
from cems_tui.generation.device import probe
from cems_tui.generation.families.registry import EngineSettings, expected_weights, load
from cems_tui.generation.networks import Shelf
from cems_tui.generation.pipeline import Job
from cems_tui.generation.residency import Residency

PROMPT = "a red cat the blue dog"


@dataclass(frozen=True)
class Scene:
    """The models, saved as diffusers folders, and the device they are drawn on."""

    functions: Mapping[str, GenerationFunction]
    kind: str
    precision: str

    def folder(self, name: str) -> Path:
        path = self.functions[name].model.path
        assert path is not None
        return path

    def waited(self) -> float:
        """The clock, once the device has done what it was given."""
        import torch

        if self.kind == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def emptied(self) -> None:
        """What nothing holds any more leaves the device."""
        import torch

        gc.collect()
        if self.kind == "cuda":
            torch.cuda.empty_cache()


@dataclass(frozen=True)
class Drawn:
    """One picture: from being asked until its first step was done, and until it was there."""

    first_step_seconds: float
    seconds: float


class Way(Protocol):
    """Draws with one model after the other."""

    def draw(self, name: str) -> Drawn: ...
    def close(self) -> None: ...


class Ours:
    """The device as the program keeps it; weights hold at most so many bytes, and, where others
    use it too, what is free of it besides."""

    def __init__(self, scene: Scene, cap_bytes: int | None, *, shared: bool = False) -> None:
        self._scene = scene
        settings = EngineSettings(device=scene.kind, precision=scene.precision)  # type: ignore[arg-type]
        shelf = Shelf()
        self.device = Residency(
            cap_bytes,
            lambda function: load(function, settings, shelf),
            lambda function: expected_weights(function, settings, shelf),
            hold=shelf.hold,
            reclaim=shelf.arenas.release,
            room=(lambda: probe(scene.kind).less(-shelf.arenas.idle_bytes)) if shared else None,
        )

    def draw(self, name: str) -> Drawn:
        began, first = self._scene.waited(), list[float]()
        function = self._scene.functions[name]
        with self.device.lease(function) as lease:
            lease.pipeline.generate(
                Job.of(function, PROMPT, 1),
                lambda step, _: first.append(self._scene.waited()) if step == 1 else None,
                never,
            )
        return Drawn(first[0] - began, self._scene.waited() - began)

    def close(self) -> None:
        self.device.close()
        self._scene.emptied()


class Reloaded:
    """`from_pretrained` anew each time, the one before deleted."""

    def __init__(self, scene: Scene, *, mapped: bool) -> None:
        self._scene, self._mapped = scene, mapped
        self._name = ""
        self._pipe: Any = None

    def draw(self, name: str) -> Drawn:
        began = self._scene.waited()
        if self._name != name:
            self._pipe = None
            self._scene.emptied()
            where = {"device_map": self._scene.kind} if self._mapped else {}
            self._pipe = opened(self._scene, name, **where)
            if not self._mapped:
                self._pipe.to(self._scene.kind)
            self._name = name
        return drawn(self._scene, self._pipe, name, began)

    def close(self) -> None:
        self._pipe, self._name = None, ""
        self._scene.emptied()


class Offloaded:
    """`enable_model_cpu_offload` on each: both stay in main memory, networks come in turn."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._pipes = {name: opened(scene, name) for name in scene.functions}
        for pipe in self._pipes.values():
            pipe.enable_model_cpu_offload(device=scene.kind)

    def draw(self, name: str) -> Drawn:
        return drawn(self._scene, self._pipes[name], name, self._scene.waited())

    def close(self) -> None:
        self._pipes.clear()
        self._scene.emptied()


class Managed:
    """diffusers' `ComponentsManager`: networks leave when the next does not fit, 3 GB kept free."""

    def __init__(self, scene: Scene) -> None:
        from diffusers import ComponentsManager

        self._scene = scene
        self._pipes = {name: opened(scene, name) for name in scene.functions}
        manager = ComponentsManager()
        for name, pipe in self._pipes.items():
            for part, network in pipe.components.items():
                if hasattr(network, "parameters"):
                    manager.add(f"{name}_{part}", network)
        manager.enable_auto_cpu_offload(device=scene.kind, memory_reserve_margin="3GB")

    def draw(self, name: str) -> Drawn:
        return drawn(self._scene, self._pipes[name], name, self._scene.waited())

    def close(self) -> None:
        self._pipes.clear()
        self._scene.emptied()


class Moved(TorchDispatchMode):
    """Counts the bytes that copies take from one device to another within its block."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        name = func._schema.name
        if name in ("aten::_to_copy", "aten::copy_"):
            source = args[0] if name == "aten::_to_copy" else args[1]
            if source.device.type != made.device.type:
                self.bytes += source.nbytes
        return made


def opened(scene: Scene, name: str, **how: Any) -> Any:
    """The pipeline as diffusers alone opens it."""
    import torch
    from diffusers import DiffusionPipeline

    pipe = DiffusionPipeline.from_pretrained(
        scene.folder(name),
        torch_dtype=getattr(torch, scene.precision),
        safety_checker=None,
        feature_extractor=None,
        use_safetensors=True,
        **how,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def drawn(scene: Scene, pipe: Any, name: str, began: float) -> Drawn:
    """A picture of an open pipeline."""
    import torch

    function, first = scene.functions[name], list[float]()

    def stepped(_pipe: Any, step: int, _time: Any, values: dict[str, Any]) -> dict[str, Any]:
        if step == 0:
            first.append(scene.waited())
        return values

    pipe(
        PROMPT,
        num_inference_steps=function.steps,
        guidance_scale=function.guidance,
        width=function.width,
        height=function.height,
        generator=torch.Generator().manual_seed(1),
        callback_on_step_end=stepped,
    )
    return Drawn(first[0] - began, scene.waited() - began)
