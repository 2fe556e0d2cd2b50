"""The training pictures on disk: memory-mapped arrays, the same for the same seed.

A split is a folder with
  pictures.npy  (N, 64, 64, 3) uint8
  tokens.npy    (N, WAYS, 32) int16, WAYS captions of each picture
  grid.npy      (N, 8, 8) uint8, 0 for ground, else 1 + index of the noun in the patch
  captions.json the captions themselves and how many objects each scene has
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from cems_tui.starter.captions import describe
from cems_tui.starter.recipe.networks.tokenizer import encode
from cems_tui.starter.recipe.world.painter import paint
from cems_tui.starter.scenes import SIZE_PX, Placed, place, random_scene
from cems_tui.starter.vocabulary import NOUNS

WAYS = 3
GRID = 8
CHUNK = 2500
_INDEX = {noun: index + 1 for index, noun in enumerate(NOUNS)}


class Settled(random.Random):
    """Always takes the first choice and the middle: scenes placed and painted with it have
    one picture each."""

    def random(self) -> float:
        """The middle."""
        return 0.5

    def choice(self, seq: Any) -> Any:
        """The first."""
        return seq[0]

    def randint(self, a: int, b: int) -> int:
        """The middle."""
        return (a + b) // 2

    def randrange(self, start: int, stop: int | None = None, step: int = 1) -> int:
        """The first."""
        return 0 if stop is None else start

    def uniform(self, a: float, b: float) -> float:
        """The middle."""
        return (a + b) / 2


class Split:
    """One split, opened for reading."""

    def __init__(self, folder: Path) -> None:
        self.pictures: NDArray[np.uint8] = np.load(folder / "pictures.npy", mmap_mode="r")
        self.tokens: NDArray[np.int16] = np.load(folder / "tokens.npy")
        self.grid: NDArray[np.uint8] = np.load(folder / "grid.npy", mmap_mode="r")
        saved: dict[str, Any] = json.loads((folder / "captions.json").read_text())
        self.captions: list[list[str]] = saved["captions"]
        self.objects: list[int] = saved["objects"]

    def __len__(self) -> int:
        return len(self.objects)


def grid_of(placed: tuple[Placed, ...]) -> NDArray[np.uint8]:
    """Which noun fills the middle of each 8-pixel patch."""
    grid = np.zeros((GRID, GRID), np.uint8)
    middles = np.arange(GRID) * 8 + 4
    for item in placed:
        margin = item.size * 0.12
        down = (middles > item.top + margin) & (middles < item.top + item.size - margin)
        across = (middles > item.left + margin) & (middles < item.left + item.size - margin)
        grid[np.ix_(down, across)] = _INDEX[item.noun]
    return grid


def make_chunk(
    seed: str, count: int, settled: bool = False
) -> tuple[Any, Any, list[list[str]], list[int]]:
    """`count` scenes: pictures, grids, captions and object counts."""
    rng = random.Random(seed)
    chance = Settled() if settled else rng
    pictures = np.empty((count, SIZE_PX, SIZE_PX, 3), np.uint8)
    grids = np.empty((count, GRID, GRID), np.uint8)
    captions: list[list[str]] = []
    objects: list[int] = []
    for index in range(count):
        scene = random_scene(rng)
        placed = place(scene, chance)
        pictures[index] = paint(placed, scene.background, chance)
        grids[index] = grid_of(placed)
        captions.append([describe(scene, rng) for _ in range(WAYS)])
        objects.append(scene.objects)
    return pictures, grids, captions, objects


def make_split(
    folder: Path,
    count: int,
    seed: str,
    workers: int,
    log: Callable[[str], None],
    settled: bool = False,
) -> None:
    """Write a split unless it is already there; `captions.json` is written last."""
    if (folder / "captions.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    sizes = [min(CHUNK, count - start) for start in range(0, count, CHUNK)]
    seeds = [f"{seed}-{index}" for index in range(len(sizes))]
    shape = (count, SIZE_PX, SIZE_PX, 3)
    pictures = open_memmap(str(folder / "pictures.npy"), "w+", np.uint8, shape)
    grids, captions, objects = [], [], []
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        start = 0
        for made, grid, said, many in pool.map(make_chunk, seeds, sizes, [settled] * len(sizes)):
            pictures[start : start + len(made)] = made
            start += len(made)
            grids.append(grid)
            captions += said
            objects += many
    pictures.flush()
    np.save(folder / "grid.npy", np.concatenate(grids))
    flat = [caption for ways in captions for caption in ways]
    np.save(folder / "tokens.npy", encode(flat).reshape(count, WAYS, -1))
    (folder / "captions.json").write_text(json.dumps({"captions": captions, "objects": objects}))
    log(f"{folder.name}: {count} pictures")
