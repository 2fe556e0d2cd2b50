"""The receipt in a picture: written with the PNG in one rename, read without the database.

Two texts: `cems`, the object `cems generate --json` prints, and `parameters`, which other
tools read.
"""

from __future__ import annotations

import json
import os
import re
import stat
import struct
import zlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from cems_tui.domain.generation import Generation
from cems_tui.errors import StorageError, UsageError
from cems_tui.files import SHARED, regular_file, whole_file
from cems_tui.paths import ensure
from cems_tui.text import MAX_PROMPT_CHARACTERS
from cems_tui.typed import LARGEST_INT, fits

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.PngImagePlugin import PngInfo


KEYWORD = "cems"
_ID = re.compile(r"[0-9A-Z]{1,64}")
_SESSION = re.compile(r"[0-9A-Za-z]{1,64}")

LARGEST_SEED = LARGEST_INT
LEAST_PRICE_USD = 1e-18
"""A price that is not 0 is not below this."""


_PLACE = re.compile(r"(?<![\w.~:/\\])(?:~|[A-Za-z]:)?[/\\](?:[^\s/\\'\":,;()]+[/\\])+")
"""The folders before a file's name, in a text about it."""


def shareable(receipt: Mapping[str, Any]) -> dict[str, Any]:
    """The receipt as it leaves this machine inside a picture.

    A picture is shared: it says its own name, not where it lay, and messages about files lose
    the folders, which tell a user's name. Prompts stay as they were given.
    """
    told = dict(receipt)
    told["image"] = Path(receipt["image"]).name
    for key in ("fallback", "score_error"):
        if told.get(key) is not None:
            told[key] = without_folders(told[key], Path(receipt["image"]))
    return told


def without_folders(text: str, image: Path) -> str:
    """The text with every file by its name alone: `cannot read /home/me/x` is `cannot read x`.

    Folders that are known, the user's and the picture's, may have spaces in their names.
    """
    for folder in (Path("~").expanduser(), *image.absolute().parents[:-1]):
        text = text.replace(f"{folder}{os.sep}", os.sep)
    return _PLACE.sub("", text)


class NoReceipt(UsageError):
    """The file may be a sound picture, but cems did not make it."""


def write_png(image: Image, path: Path, generation_json: Mapping[str, Any]) -> None:
    """Write the picture with its receipt: wholly there under its name, or not at all.

    Raises:
        StorageError: the disk is full or the folder cannot be written; nothing is left behind.
    """
    ensure(path.parent)
    texts = _texts(shareable(generation_json))
    hint = "Free some disk space, or choose another folder with --out."
    with whole_file(path, mode=SHARED, hint=hint) as file:
        image.save(file, "PNG", pnginfo=texts)


def read_receipt(path: Path) -> dict[str, Any]:
    """The `generate` object in a PNG, from the file alone; `image` is that file.

    Raises:
        NoReceipt: there is none in it.
        UsageError: not a readable PNG, cut off, damaged, or with a receipt that is none.
    """
    texts = text_chunks(path)
    if KEYWORD not in texts:
        raise NoReceipt(
            f"{path} has no receipt of cems in it",
            "Another program made it, or the receipt was stripped when it was edited or sent.",
        )
    try:
        receipt = json.loads(texts[KEYWORD])
        _refuse_impossible(Generation.from_json(receipt))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UsageError(
            f"the receipt in {path} is damaged, or of a newer cems-tui",
            "Upgrade cems-tui, or use the original file.",
        ) from error
    found: dict[str, Any] = receipt | {"image": str(path.absolute())}
    return found


def _refuse_impossible(generation: Generation) -> None:
    """Raises ValueError where a receipt says what no picture of ours can have."""
    if not fits(generation, Generation):
        raise ValueError("a value has another type, or is out of range")
    if not (_ID.fullmatch(generation.id) and _SESSION.fullmatch(generation.session)):
        raise ValueError("its id or its session is none")
    prompts = (generation.prompt, generation.negative, generation.decision.prompt)
    if max(map(len, prompts)) > MAX_PROMPT_CHARACTERS:
        raise ValueError("a prompt is too long")
    if not 0 <= generation.seed <= LARGEST_SEED:
        raise ValueError("its seed is out of range")
    if min(generation.width, generation.height, generation.steps) < 1:
        raise ValueError("it has no size or no steps")
    if datetime.fromisoformat(generation.created).tzinfo is None:
        raise ValueError("its moment has no time zone")
    if (generation.decision.policy.kind == "pinned") != isinstance(
        generation.decision.policy.value, str
    ):
        raise ValueError("its policy is none")
    prices = [generation.cost_usd, generation.load_cost_usd]
    for candidate in generation.decision.candidates:
        prices += [candidate.cost_usd, candidate.load_cost_usd]
    if any(usd is not None and usd != 0 and usd < LEAST_PRICE_USD for usd in prices):
        raise ValueError("a price is none")


def parameters_text(receipt: Mapping[str, Any]) -> str:
    """The settings in the form of the `parameters` text that other tools read."""
    lines = [str(receipt["prompt"])]
    if receipt["negative"]:
        lines.append(f"Negative prompt: {receipt['negative']}")
    settings = {
        "Steps": receipt["steps"],
        "Sampler": _SAMPLERS.get(receipt["sampler"], receipt["sampler"]),
        "CFG scale": receipt["guidance"],
        "Seed": receipt["seed"],
        "Size": f"{receipt['width']}x{receipt['height']}",
        "Model": receipt["model"],
    }
    lines.append(", ".join(f"{name}: {value}" for name, value in settings.items()))
    return "\n".join(lines).replace("\0", "\u2400")  # PNG ends a text at a NUL


_SAMPLERS = {
    "DDIMScheduler": "DDIM",
    "DPMSolverMultistepScheduler": "DPM++ 2M",
    "DPMSolverSDEScheduler": "DPM++ SDE",
    "EulerAncestralDiscreteScheduler": "Euler a",
    "EulerDiscreteScheduler": "Euler",
    "FlowMatchEulerDiscreteScheduler": "Euler",
    "HeunDiscreteScheduler": "Heun",
    "KDPM2AncestralDiscreteScheduler": "DPM2 a",
    "KDPM2DiscreteScheduler": "DPM2",
    "LCMScheduler": "LCM",
    "LMSDiscreteScheduler": "LMS",
    "PNDMScheduler": "PLMS",
    "UniPCMultistepScheduler": "UniPC",
}
"""What other tools call the schedulers of diffusers."""


def _texts(receipt: Mapping[str, Any]) -> PngInfo:
    """The PNG's texts. The JSON is pure ASCII: control characters survive every reader."""
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    texts.add_text("parameters", parameters_text(receipt))
    texts.add_text(KEYWORD, json.dumps(receipt, ensure_ascii=True, allow_nan=False))
    return texts


# PNG specification, third edition: signature, then chunks of length, type, data and CRC.

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_TEXT_BYTES = 8 * 1024 * 1024
"""Of all text chunks together, packed or unpacked; a receipt is a few thousand bytes."""

MAX_CHUNKS = 100_000


def text_chunks(path: Path) -> dict[str, str]:
    """Every text of the PNG by its keyword, the first of each.

    Raises:
        UsageError: missing, not a file, not a PNG, cut off, damaged, or with giant texts.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise UsageError(f"{path} is not a file", "Name a PNG that cems made.")
        with open(path, "rb") as file:
            return _png_texts(file, path)
    except OSError as error:
        raise UsageError(
            f"cannot read {path}: {error.strerror or error}", "Name a PNG that cems made."
        ) from error
    except ValueError as error:  # a NUL in the name
        raise UsageError(
            f"{str(path)!r} is not a file name", "Name a PNG that cems made."
        ) from error


def _png_texts(file: BinaryIO, path: Path) -> dict[str, str]:
    if file.read(len(SIGNATURE)) != SIGNATURE:
        raise UsageError(f"{path} is not a PNG", "Name a PNG that cems made.")
    size = os.fstat(file.fileno()).st_size
    found: dict[str, str] = {}
    left = MAX_TEXT_BYTES
    for _ in range(MAX_CHUNKS):
        head = file.read(8)
        length, kind = struct.unpack(">I4s", head) if len(head) == 8 else (0, b"")
        if not kind or file.tell() + length + 4 > size:
            raise UsageError(f"{path} is cut off", "Copy the file again, or use the original.")
        if kind == b"IEND":
            return found
        if kind not in (b"tEXt", b"zTXt", b"iTXt"):
            file.seek(length + 4, os.SEEK_CUR)
            continue
        if length > left:
            raise UsageError(f"{path} holds texts of over {MAX_TEXT_BYTES:,} bytes: no receipt")
        data = file.read(length)
        if struct.unpack(">I", file.read(4))[0] != zlib.crc32(kind + data):
            raise UsageError(f"{path} is damaged: a text fails its checksum")
        keyword, text = _text(kind, data, path, left)
        found.setdefault(keyword, text)
        left -= max(length, len(text))
    raise UsageError(f"{path} is damaged: it has no end")


def _text(kind: bytes, data: bytes, path: Path, most: int) -> tuple[str, str]:
    """Keyword and text of one chunk."""
    keyword, _, rest = data.partition(b"\0")
    encoding, packed = "latin-1", False
    if kind == b"zTXt":
        rest, packed = rest[1:], True
    elif kind == b"iTXt":
        packed = rest[:1] == b"\x01"
        _language, _, rest = rest[2:].partition(b"\0")
        _translated, _, rest = rest.partition(b"\0")
        encoding = "utf-8"
    if packed:
        rest = _unpacked(rest, path, most)
    try:
        return keyword.decode("latin-1"), rest.decode(encoding)
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is damaged: a text is not valid UTF-8") from error


def _unpacked(data: bytes, path: Path, most: int) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(data, most)
    except zlib.error as error:
        raise UsageError(f"{path} is damaged: a packed text cannot be unpacked") from error
    if unpacker.unconsumed_tail:
        raise UsageError(f"{path} holds texts that unpack to over {MAX_TEXT_BYTES:,} bytes")
    return text


def without_texts(path: Path) -> bytes:
    """The bytes of a PNG without its texts: the same picture, and nothing said of it.

    Raises:
        UsageError: missing, not a PNG, or cut off.
        StorageError: it cannot be read.
    """
    try:
        with regular_file(path) as file:
            data = file.read()
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error
    if not data.startswith(SIGNATURE):
        raise UsageError(f"{path} is not a PNG", "Name a PNG that cems made.")
    kept, at = [SIGNATURE], len(SIGNATURE)
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data.ljust(at + 8, b"\0"), at)
        end = at + length + 12
        if end > len(data):
            raise UsageError(f"{path} is cut off", "Copy the file again, or use the original.")
        if kind in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"gAMA", b"sRGB", b"pHYs"):
            kept.append(data[at:end])
        at = end
        if kind == b"IEND":
            break
    return b"".join(kept)
