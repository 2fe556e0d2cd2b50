"""The diffusion transformers that PixArt began: PixArt-Sigma and SANA."""

from __future__ import annotations

from cems_tui.generation.families.anatomy import Anatomy
from cems_tui.generation.families.layout import Layout

_AS_ASKED = {"clean_caption": False, "use_resolution_binning": False}
"""Their classes would read another prompt where beautifulsoup4 is installed, and draw in the
nearest size they were trained in, to crop it: at 512x512 four times the pixels paid for."""

PIXART_SIGMA = Layout(
    pipeline_class="PixArtSigmaPipeline",
    networks=("text_encoder", "transformer", "vae"),
    tokenizers={"tokenizer": "text_encoder"},
    precision="bfloat16",  # its decoder is SDXL's, which overflows float16
    anatomy=Anatomy(size_multiple=16, prompt_tokens=300, arguments=_AS_ASKED),
)
"""PixArt-Sigma."""

SANA = Layout(
    pipeline_class="SanaPipeline",
    networks=("text_encoder", "transformer", "vae"),
    tokenizers={"tokenizer": "text_encoder"},
    precision="bfloat16",
    anatomy=Anatomy(own_scheduler=True, size_multiple=32, prompt_tokens=300, arguments=_AS_ASKED),
)
"""SANA 0.6B and 1.6B."""
