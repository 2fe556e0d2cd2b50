"""What weights are held in: as asked, else by the family, the device and the model's size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cems_tui.cancel import never
from cems_tui.errors import UsageError
from cems_tui.generation import precision as precisions
from cems_tui.generation.device import SMALL_MODEL_BYTES
from cems_tui.generation.families.registry import EngineSettings, load, precision_of
from cems_tui.generation.pipeline import Job
from cems_tui.generation.precision import (
    as_precision,
    chosen_precision,
    has_bfloat16_processor,
    refuse_lacking,
)
from cems_tui.generation.weight_files import BYTES_PER_FLOAT, Precision
from cems_tui.settings import SETTINGS
from tests.generation.tiny_families import tiny_function
from tests.generation.tiny_pipelines import ignore

LARGE = 4_000_000_000

known = st.sampled_from(list(BYTES_PER_FLOAT))
families = st.sampled_from(["float16", "bfloat16"])
kinds = st.sampled_from(["cpu", "cuda", "mps", "xpu"])
sizes = st.none() | st.integers(0, LARGE)


def on(
    kind: str,
    *,
    family: Precision = "float16",
    asked: Precision | None = None,
    full_bytes: int | None = LARGE,
    able: bool = False,
) -> Precision:
    return chosen_precision(asked, family, kind, full_bytes=full_bytes, bfloat16_processor=able)


@given(known, families, kinds, sizes, st.booleans())
def test_what_is_asked_for_is_obeyed(
    asked: Precision, family: Precision, kind: str, size: int | None, able: bool
) -> None:
    assert on(kind, family=family, asked=asked, full_bytes=size, able=able) == asked


@given(kinds, sizes, st.booleans())
def test_a_family_that_needs_bfloat16_has_it_everywhere(
    kind: str, size: int | None, able: bool
) -> None:
    assert on(kind, family="bfloat16", full_bytes=size, able=able) == "bfloat16"


@pytest.mark.parametrize("kind", ["cuda", "xpu", "mps"])
def test_cards_compute_in_float16(kind: str) -> None:
    assert on(kind) == "float16"


def test_a_processor_computes_in_bfloat16_where_it_multiplies_in_it_and_the_model_is_large() -> (
    None
):
    assert on("cpu") == "float32"
    assert on("cpu", able=True) == "bfloat16"
    assert on("cpu", able=True, full_bytes=SMALL_MODEL_BYTES - 1) == "float32"
    assert on("cpu", able=True, full_bytes=None) == "bfloat16"


@pytest.mark.parametrize(
    ("text", "able"),
    [
        ("flags\t: fpu avx2 avx512f amx_bf16 amx_tile\n", True),
        ("flags\t: fpu avx2 avx512_bf16\n", True),
        ("flags\t: fpu avx2 avx512f\n", False),
        ("Features\t: fp asimd\n", False),
        ("", False),
        (None, False),
    ],
)
def test_the_processor_says_what_it_multiplies_in(
    text: str | None, able: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "cpuinfo"
    if text is not None:
        place.write_text(text)
    monkeypatch.setattr(precisions, "_PROCESSOR", place)
    has_bfloat16_processor.cache_clear()
    try:
        assert has_bfloat16_processor() is able
    finally:
        has_bfloat16_processor.cache_clear()


def test_the_setting_names_every_precision_and_auto() -> None:
    setting = next(one for one in SETTINGS if one.name == "generation.precision")
    assert all(setting.check(name) is None for name in (*BYTES_PER_FLOAT, "auto"))
    assert setting.check("int8") is not None
    assert as_precision("auto") is None
    assert [as_precision(name) for name in BYTES_PER_FLOAT] == list(BYTES_PER_FLOAT)


def test_a_precision_that_the_device_lacks_is_refused_in_one_clear_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    refuse_lacking("cpu", "bfloat16")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    with pytest.raises(UsageError, match="cuda does not compute in bfloat16") as caught:
        refuse_lacking("cuda", "bfloat16")
    assert "generation.precision" in caught.value.hint


@pytest.mark.parametrize("asked", [None, "float32", "bfloat16"])
def test_a_picture_tells_in_what_precision_it_was_drawn(
    asked: Precision | None, tiny_folder: Callable[[str], Path]
) -> None:
    function = tiny_function("stable-diffusion", tiny_folder("stable-diffusion"))
    settings = EngineSettings(device="cpu", precision=asked)
    pipeline = load(function, settings)
    drawn = pipeline.generate(Job.of(function, "a cat", 1), ignore, never)
    pipeline.close()
    assert drawn.precision == precision_of(function, settings) == (asked or "float32")
