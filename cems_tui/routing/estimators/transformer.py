"""CATImage's second estimator in numpy: a small Transformer over token states, one output a part.

Learned with torch (`neural.token_training`), asked without it: importing torch would cost a
thousand times what the forward pass does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.routing.features.clip_text import gelu, layer_norm, softmax
from cems_tui.routing.features.letters import Floats
from cems_tui.routing.features.reader import View


@dataclass(frozen=True, slots=True)
class TokenTransformer:
    """Token states → pre-norm self-attention layers → mean over tokens → level and deviations."""

    weights: Mapping[str, NDArray[Any]]
    """By the names of `neural.token_training.TokenNetwork`."""

    heads: int

    def predict(self, view: View) -> Floats:
        w = self.weights
        if "embedding.weight" in w:
            x = w["embedding.weight"][view.tokens] + w["position.weight"][: len(view.tokens)]
        else:
            x = view.tokens @ w["project.weight"].T + w["project.bias"]
        layer = 0
        while f"layers.{layer}.norm1.weight" in w:
            x = self._layer(x, f"layers.{layer}.")
            layer += 1
        x = layer_norm(x, w["norm.weight"], w["norm.bias"]).mean(axis=0)
        return np.asarray(
            (x @ w["head.weight"].T + w["head.bias"]) * w["scale"] + w["mean"], dtype=np.float32
        )

    def _layer(self, x: Floats, name: str) -> Floats:
        w, (count, width) = self.weights, x.shape
        y = layer_norm(x, w[f"{name}norm1.weight"], w[f"{name}norm1.bias"])
        joined = y @ w[f"{name}joined.weight"].T + w[f"{name}joined.bias"]
        q, k, v = joined.reshape(count, 3, self.heads, -1).transpose(1, 2, 0, 3)
        score = q @ k.transpose(0, 2, 1) * np.float32((width // self.heads) ** -0.5)
        mixed = (softmax(score) @ v).transpose(1, 0, 2).reshape(count, width)
        x = x + mixed @ w[f"{name}out.weight"].T + w[f"{name}out.bias"]
        y = layer_norm(x, w[f"{name}norm2.weight"], w[f"{name}norm2.bias"])
        inner = gelu(y @ w[f"{name}up.weight"].T + w[f"{name}up.bias"])
        return np.asarray(x + inner @ w[f"{name}down.weight"].T + w[f"{name}down.bias"])

    def tensors(self) -> dict[str, NDArray[Any]]:
        return {**self.weights, "heads": np.array([self.heads], dtype=np.int64)}

    @classmethod
    def of(cls, tensors: Mapping[str, NDArray[Any]], width: int) -> TokenTransformer:
        """From its tensors; raises KeyError or ValueError when they are not a transformer's."""
        weights = {name: value for name, value in tensors.items() if name != "heads"}
        for name in ("head.bias", "scale", "mean"):
            if weights[name].shape != (1 + width,):
                raise ValueError(f"transformer.{name} has the shape {weights[name].shape}")
        for name, value in weights.items():
            if not np.isfinite(value).all():
                raise ValueError(f"transformer.{name} holds values that are not finite")
        return cls(weights, int(tensors["heads"][0]))
