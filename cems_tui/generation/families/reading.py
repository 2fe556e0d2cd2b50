"""How much of a prompt a pipeline reads, and the words it leaves out."""

from __future__ import annotations

from typing import Any

from cems_tui.generation.families.anatomy import Anatomy

_NO_LIMIT = 1_000_000
"""Tokens; transformers says 10³⁰ for a tokenizer that was never told its length."""

_LONGEST_QUOTE = 80


def unread(pipe: Any, anatomy: Anatomy, prompt: str) -> tuple[str, ...]:
    """What to tell the user about a prompt that is longer than what is read of it."""
    tokenizer = getattr(pipe, anatomy.reader) or pipe.tokenizer
    limit = tokenizer.model_max_length
    if getattr(pipe, anatomy.reader) is not None:
        limit = anatomy.prompt_tokens or limit
    if limit >= _NO_LIMIT:
        return ()
    ids = tokenizer(prompt)["input_ids"]
    over = len(ids) + _wrapping_tokens(tokenizer, anatomy) - limit
    if over <= 0:
        return ()
    words = _last_words(tokenizer, ids, over)
    return (f"the prompt is longer than the {limit} tokens this model reads; left out: “{words}”",)


def _wrapping_tokens(tokenizer: Any, anatomy: Anatomy) -> int:
    """What the chat template adds to a prompt."""
    if not anatomy.chat:
        return 0
    wrapped = tokenizer.apply_chat_template(
        [{"role": "user", "content": ""}],
        tokenize=False,
        add_generation_prompt=True,
        enable_thinking=True,
    )
    return len(tokenizer(wrapped)["input_ids"])


def _last_words(tokenizer: Any, ids: list[int], count: int) -> str:
    special = set(tokenizer.all_special_ids)
    words = [token for token in ids if token not in special]
    text = " ".join(tokenizer.decode(words[-count:]).split())
    return text if len(text) <= _LONGEST_QUOTE else text[: _LONGEST_QUOTE - 1] + "…"
