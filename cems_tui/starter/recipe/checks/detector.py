"""Training of the checker on fresh compositions, with the flaws generated pictures have.

Places, sizes and colours vary more freely than in the denoiser's own data, so that the
checker knows the things and not the layouts. Some sprites are mixed from two nouns: such a
thing has to be called unclear, not after whichever half it likes.
"""

from __future__ import annotations

import random as pyrandom
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from cems_tui.starter.recipe.checks.checker import (
    CELL_PX,
    GROUNDS,
    LABELS,
    PAINTS,
    SIDE_PX,
    USUAL_PX,
    Detector,
)
from cems_tui.starter.recipe.checks.correctness import NEUTRAL, UNCLEAR, Natural
from cems_tui.starter.recipe.training.trainer import Log, Losses, Plan, Trainer
from cems_tui.starter.recipe.world.degrade import blotches, blur, flatten, glare, noise
from cems_tui.starter.recipe.world.painter import HUES, Floats, ground, sprite
from cems_tui.starter.scenes import (
    Placed,
    Scene,
    place,
    random_background,
    random_scene,
)
from cems_tui.starter.vocabulary import COLOURS, NOUNS

FREE = 0.3
"""Share of pictures whose things lie anywhere, in any number."""
MIXED = 0.08
"""Share of sprites that are mixed from two nouns."""
LATENT_NOISE = 0.35
SAME, ALIKE = 8.0, 28.0
"""Mean changes of opaque pixels, 0..255: a tint that cannot be seen, and one that hardly can."""

_LABEL = {label: index for index, label in enumerate(LABELS)}
_PAINT = {paint: index for index, paint in enumerate(PAINTS)}
_GROUND = {name: index for index, name in enumerate(GROUNDS)}


@dataclass(frozen=True, slots=True)
class Truth:
    """The objects of a batch, one entry for each: picture, label, colour, centre, size."""

    picture: Tensor
    label: Tensor
    paint: Tensor
    centre: Tensor
    """(K, 2) x and y in pixels."""
    size: Tensor


class CheckerTraining:
    """The detector, its endless pictures and its trainer; `vae` is the shipped autoencoder."""

    def __init__(self, vae: Any, checkpoint: Path, plan: Plan, log: Log, width: int = 32) -> None:
        torch.manual_seed(0)
        self.detector = Detector(width).to(memory_format=torch.channels_last)
        self.vae = vae
        self.trainer = Trainer({"detector": self.detector}, checkpoint, plan, log)

    def run(self, saved: Callable[[], None]) -> None:
        """Train to the end of the plan."""
        self.trainer.run(self.losses, saved)

    def losses(self, batch: int, random: torch.Generator) -> Losses:
        """Centres by the focal loss, what is there by cross entropy, where by distance."""
        rng = pyrandom.Random(int(torch.randint(2**31, (1,), generator=random)))
        x, truth, grounds = compose(batch, rng)
        x, truth = self.disturbed(x, truth, random)
        with self.trainer.half():
            maps, ground_logits = self.detector(x.contiguous(memory_format=torch.channels_last))
        heat, nouns, paints, sizes, offsets = (part.float() for part in maps)
        due, cells = targets(truth, batch)
        losses = {"centre": focal(heat[:, 0], due)}
        which, row, column, item = cells
        clear = truth.label[item] != _LABEL[UNCLEAR]
        at = (which, slice(None), row, column)
        losses["noun"] = F.cross_entropy(nouns[at], truth.label[item])
        losses["paint"] = 0.5 * F.cross_entropy(paints[at][clear], truth.paint[item][clear])
        middle = torch.stack([column, row], 1) + 0.5
        losses["place"] = F.l1_loss(offsets[at], truth.centre[item] / CELL_PX - middle)
        size = (truth.size[item] / USUAL_PX).log()
        losses["size"] = 2.0 * F.l1_loss(sizes[at][:, 0], size)
        losses["ground"] = 0.3 * F.cross_entropy(ground_logits.float(), grounds)
        right = nouns[at].argmax(1) == truth.label[item]
        return {**losses, "_right": right.float().mean()}

    @torch.no_grad()
    def disturbed(self, x: Tensor, truth: Truth, random: torch.Generator) -> tuple[Tensor, Truth]:
        """Half of the pictures moved by parts of a pixel, a quarter through the autoencoder,
        some blurred, noisy, pale or glaring. Labels stay."""
        x, centre, size = moved(x, truth, random)
        order = torch.randperm(len(x), generator=random)
        coded, eighth = order[: len(x) // 4], max(1, len(x) // 16)
        x[coded] = self.round_trip(x[coded], random)
        rest = order.roll(len(x) // 5)
        for index, (kind, most) in enumerate(
            ((blur, 0.16), (noise, 0.1), (blotches, 0.12), (flatten, 0.35), (glare, 0.06))
        ):
            chosen = rest[index * eighth : (index + 1) * eighth]
            x[chosen] = kind(x[chosen], most * float(torch.rand(1, generator=random)), random)
        return x.clamp(0, 1), replace(truth, centre=centre, size=size)

    def round_trip(self, x: Tensor, random: torch.Generator) -> Tensor:
        """Through the autoencoder, with noise on the latents."""
        latents = self.vae.encode(x * 2 - 1).latents
        strength = LATENT_NOISE * torch.rand(len(x), 1, 1, 1, generator=random)
        scale = self.vae.config.scaling_factor
        latents = latents + strength / scale * torch.randn(latents.shape, generator=random)
        with self.trainer.half():
            made = self.vae.decode(latents.contiguous(memory_format=torch.channels_last)).sample
        unit: Tensor = made.float() / 2 + 0.5
        return unit


def compose(batch: int, rng: pyrandom.Random) -> tuple[Tensor, Truth, Tensor]:
    """Fresh pictures (batch, 3, 64, 64) in 0..1, their objects and grounds."""
    pictures = np.empty((batch, SIDE_PX, SIDE_PX, 3), np.float32)
    rows: list[tuple[float, ...]] = []
    grounds: list[int] = []
    for index in range(batch):
        placed, background = draw(rng)
        canvas = ground(background, rng).copy()
        for item in placed:
            label = _put(canvas, item, rng)
            half = item.size / 2
            colour = _PAINT[item.colour]
            rows.append((index, label, colour, item.left + half, item.top + half, item.size))
        pictures[index] = canvas
        grounds.append(_GROUND[background or NEUTRAL])
    table = torch.tensor(rows or [(0.0,) * 6])[: len(rows)]
    x = torch.from_numpy(pictures).clamp(0, 255).permute(0, 3, 1, 2) / 255
    whole = table[:, :3].long()
    truth = Truth(whole[:, 0], whole[:, 1], whole[:, 2], table[:, 3:5], table[:, 5])
    return x, truth, torch.tensor(grounds)


def draw(rng: pyrandom.Random) -> tuple[tuple[Placed, ...], str | None]:
    """What to paint: a scene of the grammar, shaken, or things anywhere."""
    if rng.random() < FREE:
        return _anywhere(rng), random_background(rng)
    scene = random_scene(rng)
    things = tuple(
        replace(thing, colour=rng.choice(PAINTS)) if rng.random() < 0.6 else thing
        for thing in scene.things
    )
    scene = Scene(things, scene.relation, scene.background)
    return tuple(_shaken(item, rng) for item in place(scene, rng)), scene.background


def _shaken(item: Placed, rng: pyrandom.Random) -> Placed:
    size = min(58, max(18, round(item.size * rng.uniform(0.9, 1.1) / 2) * 2))
    at = [
        min(max(0, corner + (item.size - size) // 2 + rng.randint(-3, 3)), SIDE_PX - size)
        for corner in (item.left, item.top)
    ]
    return Placed(item.noun, item.colour, at[0], at[1], size)


def _anywhere(rng: pyrandom.Random) -> tuple[Placed, ...]:
    """Up to five things of any size that overlap little."""
    placed: list[Placed] = []
    for _ in range(rng.choice((0, 1, 2, 3, 4, 5))):
        size = 2 * rng.randint(9, 15) if rng.random() < 0.8 else 2 * rng.randint(15, 29)
        left, top = (rng.randint(0, SIDE_PX - size) for _ in range(2))
        noun = rng.choice([p.noun for p in placed]) if placed and rng.random() < 0.25 else None
        one = Placed(noun or rng.choice(tuple(NOUNS)), rng.choice(PAINTS), left, top, size)
        if all(_clear_of(one, other) for other in placed):
            placed.append(one)
    return tuple(placed)


def _clear_of(one: Placed, other: Placed) -> bool:
    across = abs(one.left + one.size / 2 - other.left - other.size / 2)
    down = abs(one.top + one.size / 2 - other.top - other.size / 2)
    return max(across, down) > 0.45 * (one.size + other.size)


def _put(canvas: Floats, item: Placed, rng: pyrandom.Random) -> int:
    """Paint one sprite; returns its label."""
    rgb, opacity = sprite(item.noun, item.colour, item.size)
    label = _LABEL[item.noun]
    if rng.random() < MIXED:
        other = rng.choice([noun for noun in NOUNS if noun != item.noun])
        rgb, opacity = _mixed((rgb, opacity), sprite(other, rng.choice(PAINTS), item.size), rng)
        label = _LABEL[UNCLEAR]
    view = canvas[item.top : item.top + item.size, item.left : item.left + item.size]
    view[...] = view * (1 - opacity) + rgb * opacity
    return label


def _mixed(
    one: tuple[Floats, Floats], other: tuple[Floats, Floats], rng: pyrandom.Random
) -> tuple[Floats, Floats]:
    """Half of each, one through the other, or the pieces of one in disorder."""
    size = len(one[0])
    share = np.zeros((size, size, 1), np.float32)
    kind = rng.random()
    if kind < 0.35:
        share[:, : size // 2] = 1
    elif kind < 0.6:
        share[: size // 2] = 1
    elif kind < 0.75:
        share[...] = rng.uniform(0.4, 0.6)
    else:
        quarter = max(4, size // 4)
        shift = (rng.randint(quarter, size - quarter), rng.randint(quarter, size - quarter))
        return np.roll(one[0], shift, (0, 1)), np.roll(one[1], shift, (0, 1))
    mixed = [a * share + b * (1 - share) for a, b in zip(one, other, strict=True)]
    return mixed[0], mixed[1]


def moved(x: Tensor, truth: Truth, random: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Half of the pictures shifted by up to two pixels and zoomed by up to 5 %, with their
    objects' centres and sizes."""
    count = len(x)
    half = (torch.rand(count, generator=random) < 0.5).float()
    zoom = 1 + 0.05 * half * (2 * torch.rand(count, generator=random) - 1)
    shift = 2.0 * half[:, None] * (2 * torch.rand(count, 2, generator=random) - 1)
    matrix = torch.zeros(count, 2, 3)
    matrix[:, 0, 0] = matrix[:, 1, 1] = 1 / zoom
    matrix[:, :, 2] = -2 * shift / SIDE_PX / zoom[:, None]
    chosen = half.bool()
    grid = F.affine_grid(matrix[chosen], [int(chosen.sum()), *x.shape[1:]], align_corners=False)
    x[chosen] = F.grid_sample(x[chosen], grid, padding_mode="border", align_corners=False)
    of = truth.picture
    centre = (truth.centre - SIDE_PX / 2) * zoom[of, None] + SIDE_PX / 2 + shift[of]
    return x, centre, truth.size * zoom[of]


def targets(truth: Truth, batch: int) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor, Tensor]]:
    """The centre map (batch, 16, 16), and picture, row, column and object of each cell near
    enough to a centre to be told what is there."""
    side = SIDE_PX // CELL_PX
    middle = (torch.arange(side) + 0.5) * CELL_PX
    across = (middle[None, None, :] - truth.centre[:, 0, None, None]).square()
    down = (middle[None, :, None] - truth.centre[:, 1, None, None]).square()
    distance = across + down
    spread = (0.1 * truth.size).clamp(2.5, 5)[:, None, None]
    bells = (-0.5 * distance / spread.square()).exp()
    flat = distance.flatten(1)
    bells.flatten(1)[torch.arange(len(flat)), flat.argmin(1)] = 1.0
    due = torch.zeros(batch, side, side)
    due.scatter_reduce_(0, truth.picture[:, None, None].expand_as(bells), bells, "amax")
    near = distance < (0.14 * truth.size).clamp(min=3.0).square()[:, None, None]
    item, row, column = near.nonzero(as_tuple=True)
    return due, (truth.picture[item], row, column, item)


def focal(logits: Tensor, due: Tensor) -> Tensor:
    """CenterNet's penalty-reduced focal loss, per object."""
    chance = logits.sigmoid().clamp(1e-4, 1 - 1e-4)
    peak = (due == 1).float()
    hit = peak * (1 - chance).square() * chance.log()
    miss = (1 - peak) * (1 - due).pow(4) * chance.square() * (1 - chance).log()
    return -(hit + miss).sum() / peak.sum().clamp(min=1)


def natural_colours(size: int = 40) -> Natural:
    """Which colours a sprite has without being tinted: the tint changes next to nothing, or
    changes little and most of the sprite has that colour."""
    found: dict[str, frozenset[str]] = {}
    for noun in NOUNS:
        plain, opacity = sprite(noun, None, size)
        inside: NDArray[np.bool_] = opacity[..., 0] > 0.5
        own = set()
        for colour in COLOURS:
            change = np.abs(sprite(noun, colour, size)[0] - plain)[inside].mean()
            least = 0.0 if change < SAME else 0.5
            if change < ALIKE and _share_of(colour, plain[inside]) >= least:
                own.add(colour)
        if own:
            found[noun] = frozenset(own)
    return Natural(found)


def _share_of(colour: str, pixels: Floats) -> float:
    """How many of (N, 3) pixels have the colour, 0..1."""
    image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8)[None])
    hue, saturation, value = np.asarray(image.convert("HSV")).astype(np.int32)[0].T
    if colour == "white":
        return float(((saturation < 60) & (value > 190)).mean())
    if colour == "black":
        return float((value < 70).mean())
    turn = np.abs((hue - HUES[colour] + 128) % 256 - 128)
    return float(((turn < 14) & (saturation > 60)).mean())
