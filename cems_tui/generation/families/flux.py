"""The FLUX families and Z-Image: transformers in which text and picture are one sequence."""

from __future__ import annotations

from cems_tui.generation.families.anatomy import Anatomy
from cems_tui.generation.families.layout import Layout

_LONGEST_PROMPT = 512

FLUX = Layout(
    pipeline_class="FluxPipeline",
    networks=("text_encoder", "text_encoder_2", "transformer", "vae"),
    tokenizers={"tokenizer": "text_encoder", "tokenizer_2": "text_encoder_2"},
    arguments={"feature_extractor": None, "image_encoder": None},
    precision="bfloat16",
    anatomy=Anatomy(
        own_scheduler=True,
        size_multiple=16,
        guidance="embedded",
        reader="tokenizer_2",
        prompt_tokens=256,  # schnell was trained with no more
        arguments={"max_sequence_length": 256},
    ),
)
"""FLUX.1."""

FLUX_2_KLEIN = Layout(
    pipeline_class="Flux2KleinPipeline",
    networks=("text_encoder", "transformer", "vae"),
    tokenizers={"tokenizer": "text_encoder"},
    precision="bfloat16",
    anatomy=Anatomy(
        own_scheduler=True,
        size_multiple=16,
        guidance="positive",
        prompt_tokens=_LONGEST_PROMPT,
        chat=True,
    ),
)
"""FLUX.2 klein."""

Z_IMAGE = Layout(
    pipeline_class="ZImagePipeline",
    networks=("text_encoder", "transformer", "vae"),
    tokenizers={"tokenizer": "text_encoder"},
    precision="bfloat16",
    anatomy=Anatomy(own_scheduler=True, size_multiple=16, prompt_tokens=_LONGEST_PROMPT, chat=True),
)
"""Z-Image and Z-Image-Turbo."""
