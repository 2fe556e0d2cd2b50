"""A sentence encoder on disk: as its authors publish it, or in 8 bits a number as it ships.

Both forms of the same weights are the same encoder, with the same digest: the published form is
rounded when it is read. A row w of a matrix is kept as round(w / s) with s = max |w| / 127.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.domain.encoder import EncoderFacts
from cems_tui.errors import ModelMissing, WeightsError
from cems_tui.files import read_json
from cems_tui.routing.features.sentence_encoder import (
    MOST_TOKENS,
    BertShape,
    SentenceEncoder,
    WordPieces,
)

Floats = NDArray[np.float32]
Tensors = Mapping[str, NDArray[Any]]

WEIGHTS, TOKENS, CONFIG = "model.safetensors", "tokenizer.json", "config.json"
SCALE = ".scale"

_WHOLE = "`cems pull all-minilm-l6-v2` fetches it again; or reinstall cems-tui, which brings it."
_WORDS = "embeddings.word_embeddings.weight"
_PLACES = "embeddings.position_embeddings.weight"
_TYPES = "embeddings.token_type_embeddings.weight"


def is_sentence_encoder(folder: Path) -> bool:
    """Whether the folder looks like one: a BERT's config, weights and a tokenizer."""
    if not all((folder / name).is_file() for name in (WEIGHTS, TOKENS, CONFIG)):
        return False
    try:
        config = read_json(folder / CONFIG)
        return bool(config.get("model_type") == "bert")
    except (OSError, ValueError, AttributeError):
        return False


def read_sentence_encoder(folder: Path, name: str) -> SentenceEncoder:
    """The sentence encoder of a folder, of either form.

    Args:
        name: what it is called in cards.

    Raises:
        ModelMissing: there is none in the folder.
        WeightsError: its files are damaged, or not a BERT's.
    """
    if not (folder / CONFIG).is_file():
        raise ModelMissing(f"there is no sentence encoder in {folder}", _WHOLE)
    try:
        shape = BertShape.of(read_json(folder / CONFIG))
        words = (folder / TOKENS).read_bytes()
        tensors = read_rounded(folder / WEIGHTS, shape)
        tokens = WordPieces.parse(words)
        if tokens.tokenizer.get_vocab_size() > shape.vocab_size:
            raise ValueError(f"{TOKENS} has more words than {WEIGHTS}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{folder} is not a sentence encoder: {error}", _WHOLE) from error
    facts = EncoderFacts(name, digest_of(tensors, words), kind="text")
    return SentenceEncoder(facts, shape, tokens, _ready(tensors, shape))


def digest_of(tensors: Tensors, tokenizer: bytes) -> str:
    """`sha256:…` over the rounded weights, by name, and the tokenizer: the same of either form."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = np.ascontiguousarray(tensors[name])
        digest.update(f"{name} {value.dtype.str} {value.shape}\n".encode())
        digest.update(value.data)
    digest.update(hashlib.sha256(tokenizer).digest())
    return f"sha256:{digest.hexdigest()}"


def read_rounded(path: Path, shape: BertShape) -> dict[str, NDArray[Any]]:
    """The weights in 8 bits a number, whichever form the file has.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no safetensors file, or not of that shape.
    """
    from safetensors import SafetensorError, safe_open

    wanted = tensor_shapes(shape)
    found: dict[str, NDArray[Any]] = {}
    try:
        with safe_open(str(path), framework="np") as file:
            names = set(file.keys())
            prefix = "bert." if f"bert.{_WORDS}" in names else ""
            for name in wanted:
                found[name] = file.get_tensor(prefix + name)
                if prefix + name + SCALE in names:
                    found[name + SCALE] = file.get_tensor(prefix + name + SCALE)
    except (SafetensorError, TypeError) as error:
        raise ValueError(f"{path.name}: {error}") from error
    out: dict[str, NDArray[Any]] = {}
    for name, expected in wanted.items():
        value = found[name]
        if name == _PLACES:
            value = value[:MOST_TOKENS]
        if value.shape != expected:
            raise ValueError(f"{name} has the shape {value.shape}, not {expected}")
        if value.dtype == np.int8:
            out[name], out[name + SCALE] = value, found[name + SCALE]
            if out[name + SCALE].shape != expected[:1]:
                raise ValueError(f"{name}{SCALE} has the shape {out[name + SCALE].shape}")
        elif value.ndim == 2:
            out[name], out[name + SCALE] = rounded(value.astype(np.float32))
        else:
            out[name] = value.astype(np.float32)
    for name, value in out.items():
        if value.dtype != np.int8 and not np.isfinite(value).all():
            raise ValueError(f"{name} holds values that are not finite")
    return out


def rounded(weights: Floats) -> tuple[NDArray[np.int8], Floats]:
    """A matrix (R, C) in 8 bits a number, and the scale of each row, shape (R,)."""
    scale = np.abs(weights).max(axis=1) / np.float32(127.0)
    scale = np.where(scale > 0, scale, np.float32(1.0)).astype(np.float32)
    return np.rint(weights / scale[:, None]).astype(np.int8), scale


def tensor_shapes(shape: BertShape) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor that is read, by the names of `BertModel`."""
    d, inner = shape.hidden_size, shape.intermediate_size
    out: dict[str, tuple[int, ...]] = {
        _WORDS: (shape.vocab_size, d),
        _PLACES: (MOST_TOKENS, d),
        _TYPES: (2, d),
        **_norm_shapes("embeddings.LayerNorm", d),
    }
    for layer in range(shape.num_hidden_layers):
        name = f"encoder.layer.{layer}."
        for part in ("query", "key", "value"):
            out |= _linear_shapes(f"{name}attention.self.{part}", d, d)
        out |= _linear_shapes(f"{name}attention.output.dense", d, d)
        out |= _norm_shapes(f"{name}attention.output.LayerNorm", d)
        out |= _linear_shapes(f"{name}intermediate.dense", inner, d)
        out |= _linear_shapes(f"{name}output.dense", d, inner)
        out |= _norm_shapes(f"{name}output.LayerNorm", d)
    return out


def _linear_shapes(name: str, rows: int, columns: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (rows, columns), f"{name}.bias": (rows,)}


def _norm_shapes(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _ready(tensors: Tensors, shape: BertShape) -> dict[str, NDArray[Any]]:
    """Single precision, transposed and laid out to be multiplied; the words stay as they are."""

    def matrix(name: str) -> Floats:
        full = tensors[name].astype(np.float32)
        full *= tensors[name + SCALE][:, None]
        return full

    def turned(*names: str) -> Floats:
        whole = np.concatenate([matrix(f"{name}.weight") for name in names])
        return np.ascontiguousarray(whole.T)

    out: dict[str, NDArray[Any]] = {
        "words": tensors[_WORDS],
        "words.scale": tensors[_WORDS + SCALE],
        "places": matrix(_PLACES) + matrix(_TYPES)[0],
        "norm.weight": tensors["embeddings.LayerNorm.weight"],
        "norm.bias": tensors["embeddings.LayerNorm.bias"],
    }
    for layer in range(shape.num_hidden_layers):
        name, short = f"encoder.layer.{layer}.", f"{layer}."
        parts = [f"{name}attention.self.{part}" for part in ("query", "key", "value")]
        out[f"{short}qkv"] = turned(*parts)
        out[f"{short}qkv.bias"] = np.concatenate([tensors[f"{part}.bias"] for part in parts])
        for short_name, long_name in (
            ("out", "attention.output.dense"),
            ("up", "intermediate.dense"),
            ("down", "output.dense"),
        ):
            out[f"{short}{short_name}"] = turned(name + long_name)
            out[f"{short}{short_name}.bias"] = tensors[f"{name}{long_name}.bias"]
        for short_name, long_name in (
            ("attention.norm", "attention.output.LayerNorm"),
            ("norm", "output.LayerNorm"),
        ):
            for kind in ("weight", "bias"):
                out[f"{short}{short_name}.{kind}"] = tensors[f"{name}{long_name}.{kind}"]
    return out
