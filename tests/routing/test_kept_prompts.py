"""The prompts that a router keeps: read as texts or not at all, taken out, and not handed on."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load, save

from cems_tui.errors import WeightsError
from cems_tui.routing.checkpoints.checkpoint import (
    load_checkpoint,
    put_files,
    read_files,
    save_checkpoint,
)
from cems_tui.routing.checkpoints.kept_prompts import read, without_prompts, written
from cems_tui.routing.checkpoints.package import export_router, keep, read_package
from tests.routing.fakes import table_with_signal, train

PROMPTS = 60


@pytest.fixture(params=["knn", "ensemble"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """One with a router that keeps its prompts."""
    table = table_with_signal(PROMPTS)
    made = train(table, metric="quality", name="mine", kind=request.param, keep_prompts=True)
    save_checkpoint(tmp_path, made)
    return tmp_path


def with_prompts(folder: Path, tensor: NDArray[Any]) -> None:
    """The same router, its digest right, with something else for its prompts."""
    _, card, weights = read_files(folder, "mine")
    size = int.from_bytes(weights[:8], "little")
    tensors = {**load(weights), "prompts": tensor}
    data = save(tensors, metadata=json.loads(weights[8 : 8 + size])["__metadata__"])
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    put_files(folder, "mine", json.dumps({**json.loads(card), "sha256": digest}), data)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        json.dumps(list(range(PROMPTS))),
        json.dumps([[]] * PROMPTS),
        json.dumps([None] * PROMPTS),
        json.dumps({str(number): "a" for number in range(PROMPTS)}),
        json.dumps("x" * PROMPTS),
        json.dumps(["a"] * (PROMPTS - 1)),
        "9" * 5_000,
        "",
        "\ud800".encode("utf-8", "surrogatepass"),
    ],
)
def test_prompts_that_are_no_texts_are_refused(folder: Path, text: str | bytes) -> None:
    data = text if isinstance(text, bytes) else text.encode()
    with_prompts(folder, np.frombuffer(data, np.uint8))
    with pytest.raises(WeightsError):
        load_checkpoint(folder, "mine")


def test_texts_come_back_as_they_were() -> None:
    texts = ("a cat", "", "猫 \x1b[31m \ud800", '"[')
    assert read(written(texts)) == texts


def test_a_text_that_is_taken_out_is_shown_to_nobody_and_changes_no_estimate(
    folder: Path,
) -> None:
    before = load_checkpoint(folder, "mine")
    asked = list(table_with_signal(PROMPTS).prompts.values())[7]
    told = before.estimate(asked)
    shown = {one.prompt for one in told.nearest}
    assert asked in shown
    _, card, weights = read_files(folder, "mine")
    found = without_prompts(card, weights, {asked})
    assert found is not None
    put_files(folder, "mine", *found)
    after = load_checkpoint(folder, "mine").estimate(asked)
    assert {one.prompt for one in after.nearest} == shown - {asked}
    assert after.estimates == told.estimates
    _, card, weights = read_files(folder, "mine")
    assert json.dumps(asked).encode() not in weights
    assert without_prompts(card, weights, {asked}) is None


def test_what_is_handed_on_says_nothing_of_the_prompts_unless_told_to(folder: Path) -> None:
    texts = list(table_with_signal(PROMPTS).prompts.values())
    for with_texts in (False, True):
        path = folder / f"{with_texts}.zip"
        export_router(folder, "mine", path, with_prompts=with_texts)
        with zipfile.ZipFile(path) as package:
            data = package.read("weights.safetensors")
        assert (json.dumps(texts[0])[1:-1].encode() in data) is with_texts
        shelf, check = folder / f"shelf {with_texts}", folder / f"check {with_texts}"
        keep(read_package(path), shelf, check)
        taken = load_checkpoint(shelf, "mine").estimate(texts[0])
        assert taken.estimates == load_checkpoint(folder, "mine").estimate(texts[0]).estimates
        assert bool(taken.nearest) is with_texts
