"""What other tools say of a picture inside its file: A1111, ComfyUI, InvokeAI, and our own.

The texts are strangers' and typed here: nothing of them is followed further than is written below.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

from cems_tui.domain.request import MAX_SEED
from cems_tui.errors import UsageError
from cems_tui.files import picture_file
from cems_tui.store.receipts import text_chunks
from cems_tui.text import checked_prompt

ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
MOST_PICTURES = 100_000
MOST_JSON = 8_000_000
"""Characters."""

MOST_LINKS = 64
"""Between two nodes of a workflow."""

MOST_STEPS = 10_000
UNKNOWN_MODEL = "unknown"


@dataclass(frozen=True, slots=True)
class Told:
    """What a picture's file says of how it was made. None is not said."""

    tool: str
    prompt: str
    negative: str = ""
    model: str | None = None
    steps: int | None = None
    seed: int | None = None

    @property
    def function(self) -> str:
        """`model@steps`, as far as both are said."""
        model = self.model or UNKNOWN_MODEL
        return model if self.steps is None else f"{model}@{self.steps}"


def pictures_in(folder: Path) -> Iterator[Path]:
    """The pictures in a folder and those below it, by name; links are not followed.

    Raises:
        UsageError: there are more than can be taken.
    """
    found = 0
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(place, name)
            if name.lower().endswith(ENDINGS) and not path.is_symlink():
                found += 1
                if found > MOST_PICTURES:
                    raise UsageError(
                        f"{folder} holds over {MOST_PICTURES:,} pictures", "Import its folders."
                    )
                yield path


def told_by(path: Path) -> Told:
    """What a picture says of itself.

    Raises:
        UsageError: it cannot be read, is damaged, or says no prompt that can be one.
    """
    texts = text_chunks(path) if path.suffix.lower() == ".png" else _exif_texts(path)
    for keywords, parse in _PARSERS:
        for keyword in keywords:
            if keyword in texts and (found := parse(texts[keyword])) is not None:
                return _checked(found)
    raise UsageError(
        f"{path} does not say what it was made of",
        "Pictures of A1111, ComfyUI, InvokeAI and cems do, unless it was stripped.",
    )


def _checked(found: Told) -> Told:
    """Raises UsageError of a prompt that cannot be one."""
    checked_prompt(found.prompt)
    return found


def _exif_texts(path: Path) -> dict[str, str]:
    """The comment in a JPEG or WebP, where A1111 puts what it puts into a PNG's `parameters`."""
    try:
        with picture_file(path, ("JPEG", "WEBP")) as file:
            comment = file.getexif().get_ifd(0x8769).get(0x9286)
    except (OSError, TypeError, KeyError) as error:
        raise UsageError(f"{path} cannot be read: {error}", "Use the original file.") from error
    if isinstance(comment, bytes):
        comment = _decoded(comment)
    return {"parameters": comment} if isinstance(comment, str) and comment.strip() else {}


def _decoded(comment: bytes) -> str:
    kind, body = comment[:8], comment[8:]
    if kind.startswith(b"UNICODE"):
        # the standard leaves the order of bytes open: A1111 writes the larger one first
        order = "utf-16-le" if body[1:2] == b"\0" else "utf-16-be"
        return body.decode(order, "replace")
    return (body if kind.startswith(b"ASCII") else comment).decode("utf-8", "replace")


# A1111 and those who write as it does.

_SETTING = re.compile(r'\s*([A-Za-z][\w \-/]{0,40}):\s*("(?:\\.|[^"\\])*"|[^,]*)(?:,|$)')


def from_a1111(text: str) -> Told | None:
    """The prompt, `Negative prompt: …`, and a last line of settings that begins with `Steps:`."""
    lines = text[:MOST_JSON].strip("\n").split("\n")
    settings: dict[str, str] = {}
    if lines and re.match(r"\s*Steps: ", lines[-1]):
        settings = {name.strip(): value for name, value in _SETTING.findall(lines.pop())}
    said: list[str] = []
    denied: list[str] = []
    into = said
    for line in lines:
        if line.startswith("Negative prompt:"):
            into = denied
        into.append(line.removeprefix("Negative prompt:").lstrip() if into is denied else line)
    prompt = "\n".join(said).strip()
    if not prompt:
        return None
    return Told(
        tool="a1111",
        prompt=prompt,
        negative="\n".join(denied).strip(),
        model=_model(settings.get("Model")),
        steps=_steps(settings.get("Steps")),
        seed=_seed(settings.get("Seed")),
    )


# InvokeAI.


def from_invoke(text: str) -> Told | None:
    """The object under `invokeai_metadata`, and the older `sd-metadata`."""
    said = _object(text)
    if said is None:
        return None
    old = said.get("image")
    if isinstance(old, dict):
        prompts = old.get("prompt")
        first = prompts[0] if isinstance(prompts, list) and prompts else prompts
        prompt = first.get("prompt") if isinstance(first, dict) else first
        model, steps, seed = said.get("model_weights"), old.get("steps"), old.get("seed")
    else:
        prompt, model = said.get("positive_prompt"), said.get("model")
        steps, seed = said.get("steps"), said.get("seed")
    if isinstance(model, dict):
        model = model.get("name", model.get("model_name"))
    if not isinstance(prompt, str) or not prompt.strip():
        return None
    negative = said.get("negative_prompt")
    return Told(
        tool="invokeai",
        prompt=prompt,
        negative=negative if isinstance(negative, str) else "",
        model=_model(model),
        steps=_steps(steps),
        seed=_seed(seed),
    )


# ComfyUI: the graph that drew the picture, nodes by id; inputs are values or links [id, output].

Nodes = Mapping[str, Any]


def from_comfy(text: str) -> Told | None:
    """The texts that a sampler of the graph is led to, with its steps, seed and model."""
    nodes = _object(text)
    if nodes is None:
        return None
    for node in nodes.values():
        inputs = _inputs(node)
        if not {"positive", "guider"} & set(inputs):
            continue
        if "steps" not in inputs and "sigmas" not in inputs:
            continue
        told = inputs.get("positive", inputs.get("guider"))
        prompt = _followed(nodes, told, ("text", "text_g", "t5xxl", "prompt", "string"), _words)
        if prompt is None:
            continue
        steps = inputs.get("steps", inputs.get("sigmas"))
        seed = inputs.get("seed", inputs.get("noise_seed", inputs.get("noise")))
        model = inputs.get("model", inputs.get("guider"))
        return Told(
            tool="comfyui",
            prompt=prompt,
            negative=_followed(nodes, inputs.get("negative"), ("text",), _words) or "",
            model=_model(_followed(nodes, model, ("ckpt_name", "unet_name", "model_name"), _words)),
            steps=_steps(_followed(nodes, steps, ("steps", "value"), _whole)),
            seed=_seed(_followed(nodes, seed, ("noise_seed", "seed", "value"), _whole)),
        )
    return None


def _inputs(node: object) -> Mapping[str, Any]:
    inputs = node.get("inputs") if isinstance(node, dict) else None
    return inputs if isinstance(inputs, dict) else {}


def _followed(
    nodes: Nodes, value: object, names: tuple[str, ...], fits: Callable[[object], Any]
) -> Any:
    """A value, or what a chain of links leads to: the first input of such a name that fits."""
    waiting, seen = [value], set[str]()
    while waiting and len(seen) < MOST_LINKS:
        one = waiting.pop(0)
        if (found := fits(one)) is not None:
            return found
        if not (isinstance(one, list) and len(one) == 2 and isinstance(one[0], str)):
            continue
        if one[0] in seen:
            continue
        seen.add(one[0])
        inputs = _inputs(nodes.get(one[0]))
        ours = [inputs[name] for name in names if name in inputs]
        others = [other for name, other in inputs.items() if name not in names]
        waiting = [*ours, *(other for other in others if isinstance(other, list)), *waiting]
    return None


def _words(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


# Our own receipts.


def from_receipt(text: str) -> Told | None:
    """The object that `cems generate` prints."""
    said = _object(text)
    prompt = None if said is None else _words(said.get("prompt"))
    if said is None or prompt is None:
        return None
    function = said.get("executed")
    model, _, steps = function.rpartition("@") if isinstance(function, str) else ("", "", "")
    negative = said.get("negative")
    return Told(
        tool="cems",
        prompt=prompt,
        negative=negative if isinstance(negative, str) else "",
        model=_model(model),
        steps=_steps(steps),
        seed=_seed(said.get("seed")),
    )


_PARSERS: tuple[tuple[tuple[str, ...], Callable[[str], Told | None]], ...] = (
    (("cems",), from_receipt),
    (("invokeai_metadata", "sd-metadata"), from_invoke),
    (("prompt",), from_comfy),
    (("parameters",), from_a1111),
)
"""Tried in turn: some tools write what A1111 writes beside their own."""


def _object(text: str) -> dict[str, Any] | None:
    if len(text) > MOST_JSON:
        return None
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _model(value: object) -> str | None:
    """A model's name without folders and ending; `@` would be read as the steps."""
    if not isinstance(value, str) or not value.strip():
        return None
    name = PureWindowsPath(value.strip().strip('"')).name  # splits at / and \\ alike
    name = re.sub(r"\.(safetensors|ckpt|pt|bin|gguf)$", "", name)
    return name.replace("@", "-")[:100] or None


def _steps(value: object) -> int | None:
    found = _number(value)
    return found if found is not None and 1 <= found <= MOST_STEPS else None


def _seed(value: object) -> int | None:
    found = _number(value)
    return found if found is not None and 0 <= found <= MAX_SEED else None


def _number(value: object) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,20}\s*", value):
        return int(value)
    return _whole(value)
