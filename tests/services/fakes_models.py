"""A keeper of models with the real shapes: what a machine of 12 GB could hold, all made up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cems_tui.domain.function import Footprint, GenerationFunction, Model
from cems_tui.errors import CemsError
from cems_tui.models.plan import Places, PlannedFile, PullPlan
from cems_tui.models.queue import Pull, Pulls, QueueUpdate
from cems_tui.models.remove import Removal
from cems_tui.models.repository import RemoteFile, Repository
from cems_tui.models.target import CatalogEntry, PullRequest, Target
from cems_tui.services.library import (
    FunctionFacts,
    Group,
    Library,
    ModelFacts,
    Recommended,
    Resident,
)

GB = 1_000_000_000
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def model_facts(
    name: str,
    group: Group,
    disk_gb: float | None,
    memory_gb: float | None,
    steps: Sequence[int] = (),
    **changes: Any,
) -> ModelFacts:
    """A row; `licence`, `gated` and such are the model's, everything else the facts'."""
    installed = group == "installed"
    of_model = {
        key: changes.pop(key)
        for key in ("family", "licence", "gated", "noncommercial", "summary", "source")
        if key in changes
    }
    model = Model(
        name=name,
        family=of_model.pop("family", "stable-diffusion"),
        licence=of_model.pop("licence", "Apache-2.0"),
        source=of_model.pop("source", f"org/{name}"),
        path=Path(f"/models/{name}") if installed else None,
        footprint=Footprint(download_bytes=None if disk_gb is None else int(disk_gb * GB)),
        **of_model,
    )
    seconds = changes.pop("seconds", None)
    functions = tuple(
        FunctionFacts(
            GenerationFunction(f"{name}@{step}", model, step, 0.0, 512, 512),
            None if seconds is None else seconds * step,
            None if memory_gb is None else int(memory_gb * GB),
            1e-5 if installed else None,
            "measured" if installed else "published",
            12 if installed else 0,
        )
        for step in steps
    )
    facts = ModelFacts(
        model=model,
        group=group,
        functions=functions,
        memory_bytes=None if memory_gb is None else int(memory_gb * GB),
        memory_estimated=not installed,
        disk_bytes=None if disk_gb is None else int(disk_gb * GB),
        disk_estimated=not installed,
        removable=installed and not name.startswith("starter-"),
    )
    return replace(facts, **changes)


FITS = "Its weights take about {} and drawing 1.9 GB, of 11.2 GB there are here."
MODELS = (
    model_facts(
        "starter-base", "installed", 0.021, 0.046, (4, 8, 20), seconds=0.0165,
        summary="5.2 M parameters, 64×64: the pack's best model",
        source="the starter pack, trained by its own recipe",
        reason="Part of the program.", pullable=False,
    ),
    model_facts(
        "starter-small", "installed", 0.009, 0.017, (4, 8), seconds=0.0081,
        summary="2.3 M parameters, 64×64: cheaper and rougher than the base model",
        source="the starter pack, trained by its own recipe",
        reason="Part of the program.", pullable=False,
    ),
    model_facts(
        "amused-512", "installed", 1.4, 3.75, (12,), seconds=0.041, family="amused",
        licence="CreativeML Open RAIL++-M", source="amused/amused-512",
        summary="masked image tokens", reason=FITS.format("1.8 GB"), adds="≤+0.03",
        evidence=("It adds at most +0.03 with routing (mixed, 0 to 2): it is the best on 11% of "
                  "the CEMS prompts.",),
        verdict=("hardly earns its disk: 1.4 GB for at most +0.03 mixed",
                 "it drew 12 of 148 pictures here"),
        revision=COMMIT,
        files=(("model_index.json", 430), ("transformer/model.fp16.safetensors", 1_210_000_000)),
    ),
    model_facts(
        "sd-turbo", "fits", 2.6, 4.64, (1,), seconds=0.176,
        licence="Stability AI Community License", source="stabilityai/sd-turbo",
        summary="SD 2.1 distilled to one step", reason=FITS.format("2.6 GB"), adds="≤+0.19",
        evidence=("It adds +0.12 for the best single model and at most +0.19 with routing "
                  "(mixed, 0 to 2): it is the best on 38% of the CEMS prompts.",),
    ),
    model_facts(
        "sdxl-turbo", "fits", 6.9, 9.51, (1, 2, 4), seconds=0.154, noncommercial=True,
        family="stable-diffusion-xl", source="stabilityai/sdxl-turbo",
        licence="Stability AI Non-Commercial Research Community License",
        summary="SDXL distilled to 1-4 steps", reason=FITS.format("6.9 GB"), adds="≤+0.24",
        evidence=("It adds +0.16 for the best single model and at most +0.24 with routing "
                  "(mixed, 0 to 2): it is the best on 47% of the CEMS prompts.",),
    ),
    model_facts(
        "sdxl", "fits", 6.9, 9.51, (10, 25, 50, 100), family="stable-diffusion-xl",
        licence="CreativeML Open RAIL++-M", reason=FITS.format("6.9 GB"),
        source="stabilityai/stable-diffusion-xl-base-1.0", summary="SDXL 1.0 base",
    ),
    model_facts("ssd-1b", "fits", 4.5, 6.2, (25,), family="stable-diffusion-xl",
                reason=FITS.format("4.5 GB"), summary="SDXL with half of its UNet left out"),
    model_facts(
        "pixart-sigma-1024", "offload", 12.1, 13.4, (20,), family="pixart-sigma",
        licence="CreativeML Open RAIL++-M", summary="a small transformer with a large T5",
        reason="Its weights take 12.0 GB, weights may hold 9.6 GB; part by part (9.5 GB the "
        "largest and 1.2 GB to draw) it would fit.",
    ),
    model_facts("z-image-turbo", "unknown", None, None, (8,), family="z-image",
                summary="one of the newest", reason="Its size on the device is not known before "
                "it is pulled."),
    model_facts(
        "sd3.5-medium", "too big", 16.2, 14.2, (28, 40), family="stable-diffusion-3", gated=True,
        licence="Stability AI Community License",
        reason="Its weights take 14.2 GB, weights may hold 9.6 GB; its largest part alone takes "
        "9.8 GB.",
    ),
    model_facts("flux-schnell", "too big", 33.7, 33.5, (1, 4), family="flux", gated=True,
                reason="Its weights take 33.5 GB, weights may hold 9.6 GB; its largest part alone "
                "takes 23.8 GB."),
    model_facts("clip-vit-g-14", "support", 5.5, 5.5, family="support", licence="MIT",
                summary="the CLIP tower that CEMS scores and routes with"),
    model_facts("laion-aesthetic", "support", 1.7, 1.8, family="support", licence="MIT"),
)  # fmt: skip

RECOMMENDED = (
    Recommended("sd-turbo", "adds at most 0.19 with routing (mixed, 0 to 2) for 2.6 GB.",
                2_600_000_000, False, "Stability AI Community License"),
    Recommended("sdxl-turbo", "adds at most 0.05 with routing (mixed, 0 to 2) for 6.9 GB; its "
                "licence forbids commercial use.", 6_900_000_000, True,
                "Stability AI Non-Commercial Research Community License"),
)  # fmt: skip

LIBRARY = Library(
    models=MODELS,
    device="NVIDIA GeForce RTX 3060",
    budget_bytes=9_600_000_000,
    free_bytes=38_400_000_000,
    recommended=RECOMMENDED,
    recommended_note="9.5 GB in all; scores are those of 1,000 CEMS prompts, and no router "
    "attains the whole of what perfect routing adds.",
)


def plan(
    model: str,
    *,
    licence: str = "Apache-2.0",
    noncommercial: bool = False,
    free_bytes: int = 38_400_000_000,
) -> PullPlan:
    """What the Hub lists of a model."""
    repo, folder = f"org/{model}", Path(f"/models/org--{model}/{COMMIT}")
    known = CatalogEntry(
        model, repo, licence, functions=(f"{model}@1",), noncommercial=noncommercial
    )
    vae = RemoteFile("vae/model.fp16.safetensors", 167_000_000)
    missing = (
        RemoteFile("model_index.json", 430),
        RemoteFile("unet/config.json", 1_700),
        RemoteFile("unet/model.fp16.safetensors", 1_730_000_000),
        RemoteFile("text_encoder/model.fp16.safetensors", 681_000_000),
    )
    return PullPlan(
        wish=PullRequest(model),
        target=Target(model, repo, None, None, known, pinned=False),
        repository=Repository(repo, COMMIT, (*missing, vae)),
        files=(
            *(PlannedFile(file, "download") for file in missing),
            PlannedFile(vae, "cache", vae.size),
        ),
        places=Places(folder, folder.with_suffix(".partial")),
        free_bytes=free_bytes,
        pipeline="StableDiffusionPipeline",
        steps=(),
    )


class FakePulling:
    """Does at once what the queue does in its time; a test says how a pull goes on."""

    def __init__(self, pulls: Pulls | None = None) -> None:
        self._pulls = pulls or Pulls()
        self._listener: Callable[[QueueUpdate], None] = lambda told: None
        self.added: list[tuple[str, bool]] = []
        self.closed = False

    @property
    def pulls(self) -> Pulls:
        return self._pulls

    def listen(self, listener: Callable[[QueueUpdate], None]) -> None:
        self._listener = listener
        self.tell(self._pulls)

    def tell(self, pulls: Pulls) -> None:
        self._pulls = pulls
        self._listener(QueueUpdate(pulls))

    def add(self, model: str, *, agreed: bool = False) -> None:
        self.added.append((model, agreed))
        self.tell(self._pulls.adding(model, agreed=agreed))

    def pause(self, model: str) -> None:
        self.tell(self._pulls.pausing(model))

    def cancel(self, model: str) -> None:
        self.tell(self._pulls.without(model))

    def close(self) -> None:
        self.closed = True


class FakeKeeper:
    """Answers at once; what it answers can be changed."""

    def __init__(self, library: Library = LIBRARY, pulls: Pulls | None = None) -> None:
        self.library = library
        self.error: CemsError | None = None
        self.planned: dict[str, PullPlan | CemsError] = {}
        self.removals: dict[str, Removal | CemsError] = {}
        self.removed: list[str] = []
        self.queue = FakePulling(pulls)
        self.held = Resident()

    def read(self) -> Library:
        if self.error is not None:
            raise self.error
        return self.library

    def resident(self) -> Resident:
        return self.held

    def plans(self, model: str) -> Sequence[PullPlan]:
        answer = self.planned.get(model, plan(model))
        if isinstance(answer, CemsError):
            raise answer
        return [answer]

    def removal(self, model: str) -> Removal:
        answer = self.removals.get(
            model, Removal(model, (Path(f"/models/org--{model}"),), 1_400_000_000, (), ())
        )
        if isinstance(answer, CemsError):
            raise answer
        return answer

    def remove(self, model: str) -> Removal:
        self.removed.append(model)
        return self.removal(model)

    def pulling(self) -> FakePulling:
        return self.queue


def under_way() -> Pulls:
    """One that runs with its speed, one paused, one that waits, one that failed."""
    running = Pull(
        "sdxl-turbo", True, "downloading", 2_800_000_000, 6_940_000_000,
        marks=((100.0, 2_650_000_000), (105.0, 2_800_000_000)),
    )  # fmt: skip
    return Pulls(
        (
            running,
            Pull("ssd-1b", state="paused", done_bytes=1_845_000_000, total_bytes=4_500_000_000),
            Pull("sdxl"),
        )
    )
