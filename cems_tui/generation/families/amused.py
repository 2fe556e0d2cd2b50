"""aMUSEd: masked image tokens instead of diffusion; diffusers keeps it among the deprecated."""

from __future__ import annotations

from cems_tui.generation.families.anatomy import Anatomy
from cems_tui.generation.families.layout import Layout

AMUSED = Layout(
    pipeline_class="AmusedPipeline",
    networks=("text_encoder", "transformer", "vqvae"),
    tokenizers={"tokenizer": "text_encoder"},
    anatomy=Anatomy(
        decoder="vqvae",
        encodes_prompt=False,
        own_scheduler=True,
        size_multiple=32,  # tokens of 16 pixels, halved once more by its transformer
    ),
)
"""aMUSEd 256 and 512."""
