"""A CLIP tokenizer from its files, without transformers or torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cems_tui.errors import WeightsError

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

    ids = json.loads(vocabulary.read_text(encoding="utf-8"))
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
    said = json.loads(settings.read_text(encoding="utf-8")) if settings.is_file() else {}
    ids = []
    for key, usual in (("bos_token", _START), ("eos_token", _END)):
        token = said.get(key) or usual
        name = token["content"] if isinstance(token, dict) else str(token)
        place = tokenizer.token_to_id(name)
        if place is None:
            raise ValueError(f"it does not know {name}")
        ids.append(int(place))
    return ids[0], ids[1]
