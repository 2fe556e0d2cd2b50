"""What is particular about calling a family's diffusers pipeline, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cems_tui.domain.capabilities import Guidance
from cems_tui.generation.weight_files import Precision


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Where a diffusers pipeline keeps the parts that are watched, and what it can be asked."""

    decoder: str = "vae"
    """The component whose `decode` makes the picture."""

    encodes_prompt: bool = True
    """Whether it has an `encode_prompt`; without one, encoding ends where timesteps are set."""

    own_scheduler: bool = False
    """Whether it runs with the scheduler it came with only."""

    size_multiple: int = 8
    """Pixels; other sizes are refused by diffusers, or silently rounded."""

    guidance: Guidance = "free"
    """What its class does; a model's configuration may say that it was distilled away."""

    reader: str = "tokenizer"
    """The tokenizer of the text encoder that reads furthest into a prompt."""

    prompt_tokens: int | None = None
    """Tokens it reads; None takes what the tokenizer says about itself."""

    chat: bool = False
    """Whether the prompt is wrapped into the tokenizer's chat template."""

    arguments: Mapping[str, Any] = field(default_factory=dict)
    """What every call is made with beside the job."""


# How pipelines are loaded on this machine.


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How pipelines are loaded on this machine."""

    device: str | None = None
    """A torch device type (`cpu`, `cuda`, `mps`, `xpu`); None takes the best there is."""

    precision: Precision | None = None
    """What weights are loaded as; None is what their family needs on the device."""

    threads: int | None = None
    """CPU threads while drawing; None chooses by the size of the model."""

    in_parts: bool = False
    """Whether a model's layers stay in main memory and are brought to the device one by one."""

    verify_bytes: int = 256_000_000
    """Models of up to so many bytes on disk are checked against their digest when loaded."""
