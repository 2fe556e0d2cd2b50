"""Fixtures of the tests that pull: small repositories, a puller, a Hub on a socket."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cems_tui import paths
from cems_tui.cancel import Stop, never
from cems_tui.models.events import Installed, ModelEvent
from cems_tui.models.hub.client import Hub
from cems_tui.models.hub.download import Patience
from cems_tui.models.ledger import Entry, Ledger
from cems_tui.models.plan import PullPlan
from cems_tui.models.pull import Puller
from cems_tui.models.target import CatalogEntry, PullRequest
from tests.models.fake_hub import FakeHub

UNET = "unet/diffusion_pytorch_model.safetensors"
HURRIED = Patience(first_wait_seconds=0.01, longest_wait_seconds=0.02)


def noise(size: int, seed: int = 0) -> bytes:
    """Bytes that are the same in every run."""
    return random.Random(seed).randbytes(size)


def pipeline_files(size: int = 700_000, seed: int = 0) -> dict[str, bytes]:
    """A repository in the diffusers layout, with everything that is not wanted beside it."""
    index = {
        "_class_name": "StableDiffusionPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "safety_checker": [None, None],
    }
    return {
        ".gitattributes": b"*.safetensors filter=lfs",
        "README.md": b"# Tiny",
        "model_index.json": json.dumps(index).encode(),
        "tiny.safetensors": noise(5000, seed),
        "tiny.ckpt": b"pickle",
        "unet/config.json": json.dumps({"sample_size": 8}).encode(),
        UNET: noise(size, seed + 1),
        "unet/diffusion_pytorch_model.bin": b"pickle",
        "vae/config.json": json.dumps({"block_out_channels": [8] * 4}).encode(),
        "vae/diffusion_pytorch_model.safetensors": noise(3000, seed + 2),
        "vae/diffusion_pytorch_model.fp16.safetensors": noise(1500, seed + 3),
        "vae/diffusion_flax_model.msgpack": b"flax",
        "tokenizer/vocab.json": b"{}",
        "tokenizer/merges.txt": "ü a\n".encode(),
        "other/diffusion_pytorch_model.safetensors": noise(100, seed + 4),
    }


WANTED = {
    "model_index.json",
    "unet/config.json",
    UNET,
    "vae/config.json",
    "vae/diffusion_pytorch_model.fp16.safetensors",
    "tokenizer/vocab.json",
    "tokenizer/merges.txt",
}


@dataclass
class Desk:
    """A puller of the test's own home, and what it said."""

    hub: FakeHub
    models: Path
    events: list[ModelEvent] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    agrees: bool = True
    known: dict[str, CatalogEntry] = field(default_factory=dict)
    stop: Stop = never
    on_event: Callable[[ModelEvent], None] = lambda event: None

    def puller(self) -> Puller:
        return Puller(
            hub=Hub(self.hub.url),
            models=self.models,
            locks=self.models.parent / "locks",
            known=self.known,
            emit=self._emit,
            ask=self._ask,
            stop=self.stop,
            patience=HURRIED,
        )

    def pull(self, name: str = "org/Tiny", **wish: Any) -> Installed:
        return self.puller().pull(PullRequest(name, **wish))

    def entry(self, name: str = "tiny") -> Entry:
        return Ledger.read(self.models).entries[name]

    def plans(self) -> list[PullPlan]:
        return [event for event in self.events if isinstance(event, PullPlan)]

    def assert_whole(self, installed: Installed, repo: str = "org/Tiny") -> None:
        """Every wanted file is there with its content, and nothing else."""
        found = {
            path.relative_to(installed.path).as_posix(): path.read_bytes()
            for path in installed.path.rglob("*")
            if path.is_file()
        }
        assert found == {path: self.hub.repos[repo][path] for path in WANTED}
        assert not list((self.models / ".partial").rglob("*"))

    def assert_not_installed(self) -> None:
        """Nothing of it counts as a model."""
        ledger = Ledger.read(self.models)
        assert all(ledger.present(entry) is None for entry in ledger.entries.values())
        assert not [p for p in self.models.glob("org--*/*") if p.is_dir()]

    def _emit(self, event: ModelEvent) -> None:
        self.events.append(event)
        self.on_event(event)

    def _ask(self, question: str) -> bool:
        self.asked.append(question)
        return self.agrees


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The Hub's library may use the network, and knows no cache and no login of this machine."""
    from huggingface_hub import constants

    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def desk(online: None) -> Iterator[Desk]:
    """A desk before a Hub with one repository, `org/Tiny`."""
    with FakeHub({"org/Tiny": pipeline_files()}) as hub:
        yield Desk(hub, paths.current().models)
