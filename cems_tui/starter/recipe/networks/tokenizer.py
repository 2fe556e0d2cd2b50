"""The word-level tokenizer all networks of the pack share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.errors import WeightsError
from cems_tui.starter.vocabulary import WORDS

CONTEXT = 32
"""Tokens of a caption, start and end included."""

PAD, UNKNOWN, START = 0, 1, 2
VOCABULARY = ("<pad>", "<unk>", "<bos>", *WORDS, "<eos>")
END = len(VOCABULARY) - 1
"""The highest id: open_clip pools text where the id is largest."""


def make_tokenizer() -> Any:
    """A transformers tokenizer over VOCABULARY: lower case, words and punctuation apart."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    ids = {word: index for index, word in enumerate(VOCABULARY)}
    core = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    core.normalizer = normalizers.Lowercase()
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    core.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", START), ("<eos>", END)]
    )
    make: Any = PreTrainedTokenizerFast
    return make(
        tokenizer_object=core,
        pad_token="<pad>",
        unk_token="<unk>",
        bos_token="<bos>",
        eos_token="<eos>",
        model_max_length=CONTEXT,
    )


def save_tokenizer(folder: Path) -> None:
    """Write the tokenizer and check that it comes back whole."""
    from transformers import PreTrainedTokenizerFast

    make_tokenizer().save_pretrained(str(folder))
    back = PreTrainedTokenizerFast.from_pretrained(str(folder))
    if len(back) != len(VOCABULARY) or back("a cat")["input_ids"][-1] != END:
        raise WeightsError(f"the tokenizer in {folder} did not come back whole")


def encode(captions: Sequence[str]) -> NDArray[np.int16]:
    """(captions, CONTEXT) token ids, padded."""
    tokenizer = make_tokenizer()
    rows = [
        tokenizer(
            list(captions[start : start + 4096]),
            padding="max_length",
            truncation=True,
            max_length=CONTEXT,
            return_tensors="np",
        )["input_ids"].astype(np.int16)
        for start in range(0, len(captions), 4096)
    ]
    return np.concatenate(rows)
