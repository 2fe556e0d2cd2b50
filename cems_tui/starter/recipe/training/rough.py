"""Pictures of a half-trained denoiser, for the quality judge to see how those fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.files import SHARED, whole_file
from cems_tui.starter.recipe.checks.measure import cases, generate
from cems_tui.starter.recipe.training.pack import assemble

PER_CLASS = 30
DUE = {1: 0.75, 2: 0.6, 4: 0.48, 8: 0.4}
"""Denoising steps → the severity such a picture is trained to have."""


def rough_samples(
    early: Any, vae: Any, path: Path
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Pictures and severities drawn with the Diffusion `early`; kept in `path` (.npz)."""
    if not path.exists():
        _draw(early, vae, path)
    with np.load(path) as saved:
        return saved["pictures"], saved["severity"]


def _draw(early: Any, vae: Any, path: Path) -> None:
    prompts = [case.prompt for case in cases(PER_CLASS, "nima samples")]
    pictures, severities = [], []
    with early.trainer.averaged():
        pipeline = assemble(early.unet, early.text, vae)
        for steps, severity in DUE.items():
            made, _ = generate(pipeline, prompts, steps, guidance=2.5)
            pictures.append(made)
            severities.append(np.full(len(made), severity, np.float32))
    with whole_file(path, mode=SHARED) as file:
        np.savez(file, pictures=np.concatenate(pictures), severity=np.concatenate(severities))
