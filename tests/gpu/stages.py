"""The memory that each stage of a picture needs on top of the weights."""

from __future__ import annotations

from typing import Any

from cems_tui.cancel import never
from cems_tui.generation.pipeline import Job


def stage_peaks(pipeline: Any, job: Job, device: str) -> dict[str, int] | None:
    """Peak bytes of encoding, denoising and decoding above the weights; None beside CUDA.

    The first stage ends with the first step's call of the denoiser, so encoding is counted to
    there: where a denoiser's own first call needs more than the encoder, that is seen too.
    """
    if device != "cuda":
        return None
    import torch

    held = torch.cuda.memory_allocated()
    peaks: dict[str, int] = {}

    def ended(stage: str) -> None:
        torch.cuda.synchronize()
        peaks[stage] = torch.cuda.max_memory_allocated() - held
        torch.cuda.reset_peak_memory_stats()

    denoiser = getattr(pipeline._pipe, "unet", None) or pipeline._pipe.transformer
    seen: list[bool] = []

    def first_call(*_: Any) -> None:
        if not seen:
            seen.append(True)
            ended("encode")

    hook = denoiser.register_forward_pre_hook(first_call)
    try:
        pipeline.generate(
            job, lambda step, steps: ended("denoise") if step == steps else None, never
        )
    finally:
        hook.remove()
    ended("decode")
    return peaks
