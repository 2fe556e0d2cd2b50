"""Networks are filled from their files into memory that is used again, to the same last bit."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cems_tui.cancel import never
from cems_tui.domain.function import GenerationFunction
from cems_tui.errors import WeightsError
from cems_tui.generation.families import layout, skeleton
from cems_tui.generation.families.registry import FAMILIES, EngineSettings, load
from cems_tui.generation.host_arena import HostArenas, read_into, seen
from cems_tui.generation.networks import Shelf
from cems_tui.generation.pipeline import Job
from cems_tui.generation.weight_files import Precision
from tests.generation.tiny_families import tiny_function
from tests.generation.tiny_pipelines import ignore

Folder = Callable[[str], Path]
SWAPS = int(os.environ.get("CEMS_TEST_SWAPS", "12"))
"""200 by hand."""


def drawn(
    function: GenerationFunction, shelf: Shelf | None = None, precision: Precision | None = None
) -> bytes:
    """A picture of a model that comes for it and leaves again."""
    pipeline = load(function, EngineSettings(device="cpu", precision=precision), shelf)
    try:
        return pipeline.generate(Job.of(function, "a cat", 5), ignore, never).image.tobytes()
    finally:
        pipeline.close()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_family_draws_as_its_library_loads_it(
    family: str,
    precision: Precision,
    tiny_folder: Folder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    function = tiny_function(family, tiny_folder(family))
    ours = drawn(function, precision=precision)
    monkeypatch.setattr(layout, "skeleton_of", lambda *_: None)
    assert drawn(function, precision=precision) == ours


def test_two_models_that_take_turns_in_the_same_memory_draw_the_same_every_time(
    tiny_folder: Folder,
) -> None:
    shelf = Shelf()
    models = [
        tiny_function(family, tiny_folder(family))
        for family in ("stable-diffusion", "stable-diffusion-xl")
    ]
    first = [drawn(model, shelf) for model in models]
    assert first[0] != first[1]
    skeletons = len(shelf.skeletons)
    for swap in range(SWAPS):
        assert drawn(models[swap % 2], shelf) == first[swap % 2]
    assert len(shelf.skeletons) == skeletons, "each is built once"
    assert shelf.arenas.idle_bytes > 0


def test_networks_without_their_own_names_are_left_to_their_library(tiny_folder: Folder) -> None:
    shelf = Shelf()
    drawn(tiny_function("stable-diffusion", tiny_folder("stable-diffusion")), shelf)
    assert all(shelf.skeletons.values())
    drawn(tiny_function("stable-diffusion-3", tiny_folder("stable-diffusion-3")), shelf)
    assert not all(shelf.skeletons.values()), "T5 holds layers in float32 that others do not"


def test_building_a_skeleton_touches_no_other_thread() -> None:
    import torch

    inside, done = threading.Event(), threading.Event()
    made: list[Any] = []

    def other() -> None:
        inside.wait(10)
        made.append(torch.nn.Linear(2, 2).weight.is_meta)
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    with skeleton._weightless():
        inside.set()
        done.wait(10)
        assert torch.nn.Linear(2, 2).weight.is_meta
    thread.join()
    assert made == [False]


def test_a_file_that_is_cut_while_it_is_read_is_said_to_be_damaged(
    tiny_folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    folder = tmp_path / "model"
    shutil.copytree(tiny_folder("stable-diffusion"), folder)
    unet = folder / "unet" / "diffusion_pytorch_model.safetensors"
    filled = skeleton.Skeleton.filled

    def cut(one: Any, arenas: HostArenas, device: str) -> Any:
        unet.write_bytes(unet.read_bytes()[:-100])
        return filled(one, arenas, device)

    monkeypatch.setattr(skeleton.Skeleton, "filled", cut)
    with pytest.raises(WeightsError, match="is damaged"):
        drawn(tiny_function("stable-diffusion", folder))


@given(st.lists(st.tuples(st.integers(1, 40_000), st.sampled_from("kfl")), max_size=14))
@settings(deadline=None)
def test_memory_is_handed_out_to_one_at_a_time(turns: list[tuple[int, str]]) -> None:
    """The one before is kept, is given back free, or is given back while it is looked at."""
    arenas, looked_at = HostArenas(), list[tuple[int, Any]]()
    before: tuple[Any, Any] | None = None
    for number, (size, way) in enumerate(turns):
        if before is not None and way != "k":
            arenas.give(before[0])
            if way == "f":
                looked_at = [one for one in looked_at if one[1] is not before[1]]
        before = None
        memory = arenas.take(size)
        assert len(memory) >= size
        view = seen(memory, size)
        view.fill_(number)
        looked_at.append((number, view))
        before = (memory, view)
        del view
        for value, kept in looked_at:
            assert bool((kept == value).all())


def test_memory_that_waits_is_used_again_grown_and_given_back() -> None:
    arenas = HostArenas()
    small = arenas.take(4096)
    arenas.give(small)
    assert arenas.take(100_000) is small, "it was grown"
    assert len(small) >= 100_000
    arenas.give(small)
    assert arenas.take(10) is small
    arenas.give(small)
    assert arenas.idle_bytes == len(small)
    arenas.release()
    assert arenas.idle_bytes == 0


def test_memory_that_is_looked_at_waits_until_it_is_not() -> None:
    arenas = HostArenas()
    memory = arenas.take(4096)
    view = seen(memory, 4096)
    arenas.give(memory)
    assert arenas.take(4096) is not memory
    del view
    gc.collect()
    assert arenas.take(4096) is memory


def test_reading_beyond_the_end_is_an_error(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_bytes(b"0123456789")
    buffer = bytearray(4)
    read_into(place, [(2, memoryview(buffer))])
    assert bytes(buffer) == b"2345"
    with pytest.raises(OSError, match="ends at 10 bytes"):
        read_into(place, [(8, memoryview(buffer))])
