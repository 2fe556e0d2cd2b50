"""What is known of a text encoder, and of a function, wherever a router is trained or read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class FunctionFacts:
    """What a generation function was when its scores were made. None is not known."""

    weights: str | None = None
    """`sha256:…` of the model's weights."""

    steps: int | None = None
    guidance: float | None = None


@dataclass(frozen=True, slots=True)
class EncoderFacts:
    """The text encoder a router reads prompts with."""

    id: str
    """Where it was found: the name of a pipeline or of a folder."""

    sha256: str
    """`sha256:…` of the tower's weights and tokenizer, as they were before any training."""

    in_checkpoint: bool = False
    """Whether the checkpoint holds the tower itself, tuned; else it has to be found here."""

    kind: Literal["clip", "text"] = "clip"
    """A pipeline's CLIP text tower, or a sentence encoder: the features of routers that read it."""
