"""The text tower of CLIP in numpy: what a prompt means, without torch (2.7 s to import).

The same numbers as `transformers.CLIPTextModel`: token states after the last layer norm, and the
state at the end of the text, which is the pooled output.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.domain.encoder import EncoderFacts
from cems_tui.errors import ModelMissing, WeightsError
from cems_tui.files import file_digest, read_json

Floats = NDArray[np.float32]

_BATCH = 32
_LARGEST_VOCABULARY_BYTES = 64_000_000
_WEIGHT_NAMES = ("model.safetensors", "model.fp16.safetensors")
_WHOLE = "Give the folder of a CLIP text model in the transformers layout, or of a pipeline."


@dataclass(frozen=True, slots=True)
class TowerShape:
    """The numbers of a CLIP text model's configuration; the defaults are ViT-B/16's."""

    vocab_size: int = 49408
    hidden_size: int = 512
    intermediate_size: int = 2048
    num_hidden_layers: int = 12
    num_attention_heads: int = 8
    max_position_embeddings: int = 77
    hidden_act: str = "quick_gelu"
    layer_norm_eps: float = 1e-5

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> TowerShape:
        """From a config.json; raises ValueError when it is not of a CLIP text model."""
        if config.get("model_type") not in ("clip", "clip_text_model"):
            raise ValueError(f"it holds a {config.get('model_type')}, not a CLIP text model")
        row = config.get("text_config") or config
        shape = cls(**{name: row[name] for name in asdict(cls()) if row.get(name) is not None})
        if shape.hidden_act not in _ACTIVATIONS:
            raise ValueError(f"its activation {shape.hidden_act} is not known")
        return shape


VIT_B_16 = TowerShape()
_VIT_B_16_NAMES = ("clip-vit-base-patch16", "vit-b-16", "vitb16")


@dataclass(frozen=True, slots=True)
class TextTower:
    """A CLIP text model ready to read prompts."""

    facts: EncoderFacts
    shape: TowerShape
    tokens: ClipTokens
    weights: Mapping[str, NDArray[Any]]
    """By the names of `CLIPTextModel`: `embeddings.…`, `encoder.layers.0.…`."""

    @property
    def width(self) -> int:
        """The length d of a state."""
        return self.shape.hidden_size

    @property
    def parameters(self) -> int:
        """How many numbers it is made of."""
        return sum(value.size for value in self.weights.values())

    @property
    def held_bytes(self) -> int:
        """What its weights take of main memory."""
        return sum(value.nbytes for value in self.weights.values())

    @property
    def depth(self) -> int:
        """One: only what stands after the last layer is read."""
        return 1

    def pool(self, states: Floats) -> Floats:
        """The state at the end of a text, shape (d,)."""
        return np.asarray(states[-1])

    def embeddings(self, prompts: Sequence[str]) -> Floats:
        """The state at the end of each text, shape (N, 1, d)."""
        return self.pooled(prompts)[:, None]

    def pooled(self, prompts: Sequence[str]) -> Floats:
        """The state at the end of each text, shape (N, d)."""
        out = np.empty((len(prompts), self.width), dtype=np.float32)
        for rows, states in self._batches(prompts):
            out[rows] = states[:, -1]
        return out

    def states(self, prompts: Sequence[str]) -> list[Floats]:
        """The state of every token from start to end of each text, shapes (T, d)."""
        out: list[Floats] = [np.empty((0, self.width), dtype=np.float32)] * len(prompts)
        for rows, states in self._batches(prompts):
            for row, state in zip(rows, states, strict=True):
                out[row] = state
        return out

    def _batches(self, prompts: Sequence[str]) -> list[tuple[list[int], Floats]]:
        """Texts of equal length side by side: no padding, so nothing to mask but the future."""
        ids = [self.tokens.ids(prompt) for prompt in prompts]
        by_length: dict[int, list[int]] = {}
        for row, one in enumerate(ids):
            by_length.setdefault(len(one), []).append(row)
        parts = [
            rows[low : low + _BATCH]
            for rows in by_length.values()
            for low in range(0, len(rows), _BATCH)
        ]
        return [(rows, forward(self, np.array([ids[row] for row in rows]))) for rows in parts]


def forward(tower: TextTower, ids: NDArray[np.integer[Any]]) -> Floats:
    """The last states of token ids of shape (B, T), shape (B, T, d)."""
    weights, shape = tower.weights, tower.shape
    count = ids.shape[1]
    x = weights["embeddings.token_embedding.weight"][ids].astype(np.float32)
    x = x + weights["embeddings.position_embedding.weight"][:count]
    future = np.triu(np.full((count, count), -np.inf, dtype=np.float32), 1)
    for layer in range(shape.num_hidden_layers):
        name = f"encoder.layers.{layer}."
        x = x + _attention(weights, name, shape, _norm(weights, f"{name}layer_norm1", x), future)
        inner = _linear(weights, f"{name}mlp.fc1", _norm(weights, f"{name}layer_norm2", x))
        x = x + _linear(weights, f"{name}mlp.fc2", _ACTIVATIONS[shape.hidden_act](inner))
    return _norm(weights, "final_layer_norm", x)


def _attention(
    weights: Mapping[str, NDArray[Any]], name: str, shape: TowerShape, x: Floats, future: Floats
) -> Floats:
    batch, count, width = x.shape
    heads = shape.num_attention_heads

    def split(part: str) -> Floats:
        y = _linear(weights, f"{name}self_attn.{part}", x)
        return y.reshape(batch, count, heads, width // heads).transpose(0, 2, 1, 3)

    score = split("q_proj") @ split("k_proj").transpose(0, 1, 3, 2)
    score = score * np.float32((width // heads) ** -0.5) + future
    mixed = softmax(score) @ split("v_proj")
    return _linear(
        weights,
        f"{name}self_attn.out_proj",
        mixed.transpose(0, 2, 1, 3).reshape(batch, count, width),
    )


def softmax(x: Floats) -> Floats:
    """Over the last axis."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True), dtype=np.float32)


def _linear(weights: Mapping[str, NDArray[Any]], name: str, x: Floats) -> Floats:
    flat = x.reshape(-1, x.shape[-1]) @ weights[f"{name}.weight"].T
    return np.asarray((flat + weights[f"{name}.bias"]).reshape(*x.shape[:-1], -1))


def _norm(weights: Mapping[str, NDArray[Any]], name: str, x: Floats) -> Floats:
    return layer_norm(x, weights[f"{name}.weight"], weights[f"{name}.bias"])


def layer_norm(x: Floats, weight: Floats, bias: Floats, epsilon: float = 1e-5) -> Floats:
    """Over the last axis."""
    x = x - x.mean(axis=-1, keepdims=True)
    scale = np.sqrt(np.square(x).mean(axis=-1, keepdims=True) + np.float32(epsilon))
    return np.asarray(x / scale * weight + bias, dtype=np.float32)


def quick_gelu(x: Floats) -> Floats:
    """x·σ(1.702 x)."""
    return np.asarray(x / (1.0 + np.exp(-1.702 * x)), dtype=np.float32)


def gelu(x: Floats) -> Floats:
    """x·Φ(x), the error function to 1.5e-7 (Abramowitz & Stegun 7.1.26)."""
    z = np.abs(x) * np.float32(0.5**0.5)
    t = 1.0 / (1.0 + 0.3275911 * z)
    poly = ((((1.061405429 * t - 1.453152027) * t) + 1.421413741) * t - 0.284496736) * t
    erf = np.copysign(1.0 - (poly + 0.254829592) * t * np.exp(-z * z), x)
    return np.asarray(0.5 * x * (1.0 + erf), dtype=np.float32)


_ACTIVATIONS = {"quick_gelu": quick_gelu, "gelu": gelu}


def read_tower(folder: Path, name: str | None = None) -> TextTower:
    """The text tower of a folder: of a diffusers pipeline, of a CLIP model or of its text half.

    Args:
        name: what it is called in cards; the folder's own name by default.

    Raises:
        ModelMissing: there is no text model in the folder.
        WeightsError: its files are damaged or not a CLIP text model's.
    """
    model, words = _places(folder)
    try:
        shape = TowerShape.of(read_json(model / "config.json"))
        weights = _read_weights(_weight_file(model), shape)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{model} is not a CLIP text tower: {error}", _WHOLE) from error
    called = name or folder.name
    if any(part in called.lower() for part in _VIT_B_16_NAMES) and shape != VIT_B_16:
        raise WeightsError(
            f"{folder} is called {called}, but does not have the shape of ViT-B/16's text tower",
            "Give the folder another name, or fetch openai/clip-vit-base-patch16 again.",
        )
    tokens = read_tokens(words, shape.max_position_embeddings)
    return TextTower(EncoderFacts(called, tower_digest(folder)), shape, tokens, weights)


def tower_digest(folder: Path) -> str:
    """`sha256:…` over the lines `<name> sha256:<hex>` of the tower's weights and tokenizer.

    Raises:
        ModelMissing: there is no text model in the folder.
        WeightsError: a file cannot be read.
    """
    model, words = _places(folder)
    files = [_weight_file(model), *token_files(words)]
    lines = "".join(f"{path.name} {file_digest(path)}\n" for path in files)
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"


def _places(folder: Path) -> tuple[Path, Path]:
    """Where the weights and where the tokenizer are."""
    if (folder / "text_encoder" / "config.json").is_file():
        return folder / "text_encoder", folder / "tokenizer"
    if not (folder / "config.json").is_file():
        raise ModelMissing(f"there is no text tower in {folder}", _WHOLE)
    beside = folder.parent / folder.name.replace("text_encoder", "tokenizer")
    return folder, folder if token_files(folder) else beside


def _weight_file(model: Path) -> Path:
    for name in _WEIGHT_NAMES:
        if (model / name).is_file():
            return model / name
    raise ModelMissing(f"there are no weights in {model}", f"Looked for {_WEIGHT_NAMES[0]}.")


def _read_weights(path: Path, shape: TowerShape) -> dict[str, NDArray[Any]]:
    from safetensors import SafetensorError, safe_open

    wanted = tower_shapes(shape)
    weights = {}
    try:
        with safe_open(str(path), framework="np") as file:
            prefix = "text_model." if "text_model.final_layer_norm.weight" in file.keys() else ""  # noqa: SIM118
            for name in wanted:
                weights[name] = file.get_tensor(prefix + name)
    except (SafetensorError, TypeError) as error:
        raise ValueError(f"{path.name}: {error}") from error
    return checked(weights, shape)


def checked(weights: Mapping[str, NDArray[Any]], shape: TowerShape) -> dict[str, NDArray[Any]]:
    """The weights in single precision, the token table as it is; raises ValueError if not whole."""
    out = {}
    for name, expected in tower_shapes(shape).items():
        if name not in weights or weights[name].shape != expected:
            raise ValueError(f"{name} is not there in the shape {expected}")
        keep = name == "embeddings.token_embedding.weight"
        out[name] = weights[name] if keep else weights[name].astype(np.float32)
    return out


def tower_shapes(shape: TowerShape) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor of a tower."""
    d, inner = shape.hidden_size, shape.intermediate_size
    out: dict[str, tuple[int, ...]] = {
        "embeddings.token_embedding.weight": (shape.vocab_size, d),
        "embeddings.position_embedding.weight": (shape.max_position_embeddings, d),
        "final_layer_norm.weight": (d,),
        "final_layer_norm.bias": (d,),
    }
    for layer in range(shape.num_hidden_layers):
        name = f"encoder.layers.{layer}."
        for norm in ("layer_norm1", "layer_norm2"):
            out |= {f"{name}{norm}.weight": (d,), f"{name}{norm}.bias": (d,)}
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            out |= {f"{name}self_attn.{part}.weight": (d, d), f"{name}self_attn.{part}.bias": (d,)}
        out |= {f"{name}mlp.fc1.weight": (inner, d), f"{name}mlp.fc1.bias": (inner,)}
        out |= {f"{name}mlp.fc2.weight": (d, inner), f"{name}mlp.fc2.bias": (d,)}
    return out


# A CLIP tokenizer from its files, without transformers or torch.

FILES = ("tokenizer.json", "vocab.json", "merges.txt")
_WORDS = (
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
)
_START, _END = "<|startoftext|>", "<|endoftext|>"


@dataclass(frozen=True, slots=True)
class ClipTokens:
    """Prompt to token ids: start, at most `context − 2` of its own, end."""

    tokenizer: Any
    """A `tokenizers.Tokenizer`."""

    start: int
    end: int
    context: int

    def ids(self, prompt: str) -> list[int]:
        """The ids of a prompt, no padding; lone surrogates count as question marks."""
        text = prompt.encode("utf-8", "replace").decode("utf-8")
        own = self.tokenizer.encode(text, add_special_tokens=False).ids
        return [self.start, *own[: self.context - 2], self.end]

    def to_json(self) -> str:
        """The whole tokenizer as text: what `from_json` reads."""
        return json.dumps(
            {"tokenizer": self.tokenizer.to_str(), "start": self.start, "end": self.end}
        )

    @classmethod
    def from_json(cls, text: str, context: int) -> ClipTokens:
        """What `to_json` wrote; raises KeyError, TypeError or ValueError otherwise."""
        from tokenizers import Tokenizer

        row = json.loads(text)
        return cls(_bare(_parsed(Tokenizer, row["tokenizer"])), row["start"], row["end"], context)


def token_files(folder: Path) -> list[Path]:
    """The files of a folder that a tokenizer is made of: one file, or vocabulary and merges."""
    whole, *parts = (folder / name for name in FILES)
    if whole.is_file():
        return [whole]
    return parts if all(path.is_file() for path in parts) else []


def read_tokens(folder: Path, context: int) -> ClipTokens:
    """The tokenizer of a folder.

    Raises:
        WeightsError: there is none, or it is damaged.
    """
    try:
        tokenizer = _read(folder)
        start, end = _ends(folder, tokenizer)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(
            f"the tokenizer in {folder} cannot be read: {error}",
            "Give the folder of a whole CLIP text model: weights, config.json and tokenizer.",
        ) from error
    return ClipTokens(tokenizer, start, end, context)


def _read(folder: Path) -> Any:
    from tokenizers import Tokenizer

    files = token_files(folder)
    if not files:
        raise ValueError(f"there is neither {FILES[0]} nor {FILES[1]} with {FILES[2]}")
    if len(files) == 1:
        return _bare(_parsed(Tokenizer, files[0].read_text(encoding="utf-8")))
    return _from_vocabulary(*files)


def _parsed(kind: Any, text: str) -> Any:
    try:
        return kind.from_str(text)
    except Exception as error:  # the library raises nothing narrower
        raise ValueError(str(error)) from error


def _bare(tokenizer: Any) -> Any:
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _from_vocabulary(vocabulary: Path, merges: Path) -> Any:
    """OpenAI's byte-pair encoding, as older repositories keep it."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    ids = read_json(vocabulary, _LARGEST_VOCABULARY_BYTES)
    lines = merges.read_text(encoding="utf-8").splitlines()
    pairs = [tuple(line.split()) for line in lines if line and not line.startswith("#version")]
    tokenizer = Tokenizer(
        models.BPE(
            vocab=ids,
            merges=[pair for pair in pairs if len(pair) == 2],
            continuing_subword_prefix="",
            end_of_word_suffix="</w>",
            fuse_unk=False,
            unk_token=_END,
        )
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    return tokenizer


def _ends(folder: Path, tokenizer: Any) -> tuple[int, int]:
    """The ids of the start and the end of a text."""
    settings = folder / "tokenizer_config.json"
    said = read_json(settings) if settings.is_file() else {}
    ids = []
    for key, usual in (("bos_token", _START), ("eos_token", _END)):
        token = said.get(key) or usual
        name = token["content"] if isinstance(token, dict) else str(token)
        place = tokenizer.token_to_id(name)
        if place is None:
            raise ValueError(f"it does not know {name}")
        ids.append(int(place))
    return ids[0], ids[1]
