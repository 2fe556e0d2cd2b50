"""In what precision weights are held: as asked, else what the device computes fastest well."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from cems_tui.errors import UsageError
from cems_tui.generation.device import SMALL_MODEL_BYTES
from cems_tui.generation.weight_files import BYTES_PER_FLOAT, Precision

HALF_PRECISION_DEVICES = ("cuda", "xpu", "mps")
"""Kinds of device that compute in 16 bits at least as fast as in 32."""

_PROCESSOR = Path("/proc/cpuinfo")
_BFLOAT16_FLAGS = frozenset({"amx_bf16", "avx512_bf16"})


def as_precision(setting: str) -> Precision | None:
    """The precision that a setting asks for; None where it leaves it to the device."""
    return next((known for known in BYTES_PER_FLOAT if known == setting), None)


def chosen_precision(
    asked: Precision | None,
    family: Precision,
    kind: str,
    *,
    full_bytes: int | None,
    bfloat16_processor: bool,
) -> Precision:
    """What the weights of a model are held in. Pure.

    Args:
        asked: what the user wants; None leaves it to the device.
        family: bfloat16 where a family is held in nothing else, as float16 overflows in it or
            float32 would not fit most machines; float16 says that any precision will do.
        kind: `cpu`, `cuda`, `mps` or `xpu`.
        full_bytes: of its weights in float32; None is not known. Below `SMALL_MODEL_BYTES` a
            processor has nothing to gain from fewer bits, and the picture would be another.
        bfloat16_processor: whether the processor multiplies in bfloat16.
    """
    if asked is not None:
        return asked
    if family == "bfloat16" or kind in HALF_PRECISION_DEVICES:
        return family
    small = full_bytes is not None and full_bytes < SMALL_MODEL_BYTES
    return "bfloat16" if bfloat16_processor and not small else "float32"


@cache
def has_bfloat16_processor() -> bool:
    """Whether this processor has AMX or AVX-512 for bfloat16; False where nothing tells."""
    try:
        text = _PROCESSOR.read_text()
    except OSError:
        return False
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return not _BFLOAT16_FLAGS.isdisjoint(flags.split())


def refuse_lacking(kind: str, precision: Precision) -> None:
    """Refuse a precision that the device does not compute in; imports torch.

    Raises:
        UsageError: it does not.
    """
    import torch

    if kind == "cuda" and precision == "bfloat16":
        able = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        able = _multiplies(kind, getattr(torch, precision))
    if not able:
        raise UsageError(
            f"the device {kind} does not compute in {precision}",
            "Set generation.precision to auto, float16 or float32.",
        )


def _multiplies(kind: str, dtype: object) -> bool:
    import torch

    try:
        ones = torch.ones(2, 2, device=kind, dtype=dtype)  # type: ignore[call-overload]
        return bool((ones @ ones).sum().item() == 8)
    except (RuntimeError, TypeError):
        return False
