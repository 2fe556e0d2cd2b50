"""A sentence encoder (BERT, all-MiniLM-L6-v2) in numpy: what a prompt means, without torch.

The same numbers as `transformers.BertModel` on weights of 8 bits a number (a scale a row): the
mean of the token states after some of the layers. Reimers & Gurevych (2019), Sentence-BERT; Wang
et al. (2020), MiniLM; Devlin et al. (2019), BERT.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.domain.encoder import EncoderFacts
from cems_tui.routing.features.clip_text import softmax

Floats = NDArray[np.float32]
Tensors = Mapping[str, NDArray[Any]]

MOST_TOKENS = 128
"""Tokens read of a prompt, [CLS] and [SEP] included."""

MOST_CHARACTERS = 20_000
"""Characters looked at: more than any 126 tokens of a prompt that is not mostly white space."""

REMEMBERED = 512
"""Prompts whose embeddings are kept in memory: an explanation asks about one again and again."""

_BATCH_TOKENS = 2048
_BLOCK_ROWS = 64  # of the feed-forward's inner states: 64 × 1536 floats stay in a core's cache


@dataclass(frozen=True, slots=True)
class BertShape:
    """The numbers of a BERT configuration; the defaults are all-MiniLM-L6-v2's."""

    vocab_size: int = 30522
    hidden_size: int = 384
    intermediate_size: int = 1536
    num_hidden_layers: int = 6
    num_attention_heads: int = 12
    layer_norm_eps: float = 1e-12

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> BertShape:
        """From a config.json; raises KeyError, TypeError or ValueError when it is no BERT's."""
        if config.get("model_type") != "bert":
            raise ValueError(f"it holds a {config.get('model_type')}, not a sentence encoder")
        if config.get("hidden_act") != "gelu":
            raise ValueError(f"its activation {config.get('hidden_act')} is not known")
        names = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers")
        numbers = {name: int(config[name]) for name in (*names, "num_attention_heads")}
        shape = cls(**numbers, layer_norm_eps=float(config["layer_norm_eps"]))
        if min(numbers.values()) < 1 or shape.hidden_size % shape.num_attention_heads:
            raise ValueError("its numbers cannot be those of a BERT")
        return shape

    @property
    def layers_read(self) -> tuple[int, ...]:
        """Every second layer and the last, counted from 1: 2, 4 and 6 of six."""
        last = self.num_hidden_layers
        return tuple(sorted({*range(2, last, 2), last}))


@dataclass(frozen=True, slots=True)
class WordPieces:
    """Prompt to token ids: [CLS], at most `MOST_TOKENS − 2` of its own, [SEP]."""

    tokenizer: Any
    """A `tokenizers.Tokenizer` that truncates and does not pad."""

    def ids(self, prompt: str) -> list[int]:
        """The ids of a prompt; lone surrogates count as question marks."""
        text = prompt[:MOST_CHARACTERS].encode("utf-8", "replace").decode("utf-8")
        return list(self.tokenizer.encode(text).ids)

    @classmethod
    def parse(cls, data: bytes) -> WordPieces:
        """From a tokenizer.json; raises ValueError when it is none."""
        from tokenizers import Tokenizer  # 0.1 s: paid by who reads with an encoder

        try:
            tokenizer = Tokenizer.from_str(data.decode("utf-8"))
        except Exception as error:  # the library raises nothing narrower
            raise ValueError(f"the tokenizer: {error}") from error
        tokenizer.no_padding()
        tokenizer.enable_truncation(MOST_TOKENS)
        return cls(tokenizer)


@dataclass(frozen=True, slots=True)
class SentenceEncoder:
    """A sentence encoder ready to read prompts."""

    facts: EncoderFacts
    shape: BertShape
    tokens: WordPieces
    weights: Mapping[str, NDArray[Any]]
    """In single precision and ready to multiply, but for the words, which stay in 8 bits."""

    _known: OrderedDict[str, Floats] = field(default_factory=OrderedDict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    @property
    def width(self) -> int:
        return self.shape.hidden_size

    @property
    def depth(self) -> int:
        return len(self.shape.layers_read)

    @property
    def parameters(self) -> int:
        return sum(value.size for value in self.weights.values())

    @property
    def held_bytes(self) -> int:
        """What its weights take of main memory."""
        return sum(value.nbytes for value in self.weights.values())

    def embeddings(self, prompts: Sequence[str]) -> Floats:
        """The means of the token states after `shape.layers_read`, shape (N, L, d).

        A few prompts are remembered by their text; many are read side by side on all cores.
        """
        if len(prompts) > REMEMBERED:
            return self._pooled(prompts)
        with self._lock:
            found = {one: self._known[one] for one in prompts if one in self._known}
        fresh = [one for one in dict.fromkeys(prompts) if one not in found]
        found |= zip(fresh, self._pooled(fresh), strict=True)
        with self._lock:
            for one in prompts:
                self._known[one] = found[one]
                self._known.move_to_end(one)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return np.stack([found[one] for one in prompts]) if prompts else self._none()

    def states(self, prompts: Sequence[str]) -> list[Floats]:
        """The state of every token after the last layer, [CLS] and [SEP] included: (T, d)."""
        out: list[Floats] = [np.empty((0, self.width), np.float32)] * len(prompts)
        for rows, ids in self._batches(prompts):
            *_, last = forward(self, ids)
            for row, state in zip(rows, last, strict=True):
                out[row] = state
        return out

    def pool(self, states: Floats) -> Floats:
        """Their mean, shape (d,)."""
        return np.asarray(states.mean(axis=0), dtype=np.float32)

    def _none(self) -> Floats:
        return np.empty((0, self.depth, self.width), dtype=np.float32)

    def _pooled(self, prompts: Sequence[str]) -> Floats:
        out = np.empty((len(prompts), self.depth, self.width), dtype=np.float32)

        def read(batch: tuple[list[int], NDArray[np.intp]]) -> None:
            rows, ids = batch
            layers = [state.mean(axis=1) for state in forward(self, ids)]
            out[rows] = np.stack(layers, axis=1)

        batches = self._batches(prompts)
        if len(batches) < 2:
            for batch in batches:
                read(batch)
            return out
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            list(pool.map(read, batches))
        return out

    def _batches(self, prompts: Sequence[str]) -> list[tuple[list[int], NDArray[np.intp]]]:
        """Texts of equal length side by side: no padding, so nothing to mask."""
        ids = [self.tokens.ids(prompt) for prompt in prompts]
        by_length: dict[int, list[int]] = {}
        for row, one in enumerate(ids):
            by_length.setdefault(len(one), []).append(row)
        return [
            (rows[low : low + step], np.array([ids[row] for row in rows[low : low + step]]))
            for length, rows in sorted(by_length.items())
            for step in [max(1, _BATCH_TOKENS // length)]
            for low in range(0, len(rows), step)
        ]


def forward(encoder: SentenceEncoder, ids: NDArray[np.integer[Any]]) -> Iterator[Floats]:
    """The token states after each layer that is read, shapes (B, T, d), of ids (B, T)."""
    weights, shape = encoder.weights, encoder.shape
    batch, count = ids.shape
    words = weights["words"][ids.ravel()].astype(np.float32)
    words *= weights["words.scale"][ids.ravel(), None]
    x = words.reshape(batch, count, -1) + weights["places"][:count]
    x = _norm(weights, "norm", x.reshape(batch * count, -1), shape.layer_norm_eps)
    for layer in range(shape.num_hidden_layers):
        name = f"{layer}."
        x = x + _attention(weights, name, shape, x, batch)
        x = _norm(weights, f"{name}attention.norm", x, shape.layer_norm_eps)
        x = x + _feed_forward(weights, name, x)
        x = _norm(weights, f"{name}norm", x, shape.layer_norm_eps)
        if layer + 1 in shape.layers_read:
            yield x.reshape(batch, count, -1)


def _attention(weights: Tensors, name: str, shape: BertShape, x: Floats, batch: int) -> Floats:
    rows, width = x.shape
    heads, count = shape.num_attention_heads, rows // batch
    mixed = x @ weights[f"{name}qkv"] + weights[f"{name}qkv.bias"]
    parts = mixed.reshape(batch, count, 3, heads, width // heads).transpose(2, 0, 3, 1, 4)
    query, key, value = parts
    score = query @ key.transpose(0, 1, 3, 2)
    score *= np.float32((width // heads) ** -0.5)
    told = (softmax(score) @ value).transpose(0, 2, 1, 3).reshape(rows, width)
    return np.asarray(told @ weights[f"{name}out"] + weights[f"{name}out.bias"])


def _feed_forward(weights: Tensors, name: str, x: Floats) -> Floats:
    out = np.empty_like(x)
    for low in range(0, len(x), _BLOCK_ROWS):
        inner = x[low : low + _BLOCK_ROWS] @ weights[f"{name}up"]
        inner += weights[f"{name}up.bias"]
        out[low : low + _BLOCK_ROWS] = gelu(inner) @ weights[f"{name}down"]
    out += weights[f"{name}down.bias"]
    return out


def _norm(weights: Tensors, name: str, x: Floats, epsilon: float) -> Floats:
    x = x - x.mean(axis=-1, keepdims=True)
    variance = np.einsum("nd,nd->n", x, x)[:, None] / np.float32(x.shape[-1])
    x /= np.sqrt(variance + np.float32(epsilon))
    x *= weights[f"{name}.weight"]
    x += weights[f"{name}.bias"]
    return np.asarray(x)


_GELU = tuple(map(np.float32, (-1.59537424, -0.073469753, 0.00051282050, 1.70000564e-05)))


def gelu(x: Floats) -> Floats:
    """x·Φ(x) to 2e-5: Φ as the logistic of an odd polynomial, which numpy does quickly."""
    square = np.minimum(x * x, np.float32(36.0))
    inner = square * _GELU[3]
    for coefficient in _GELU[2:0:-1]:
        inner += coefficient
        inner *= square
    inner += _GELU[0]
    inner *= x
    with np.errstate(over="ignore"):  # e^∞ is the right answer far below 0: x / ∞ = 0
        np.exp(inner, out=inner)
    inner += np.float32(1.0)
    return np.asarray(np.divide(x, inner, out=inner))
