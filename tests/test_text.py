"""A prompt is data: refused when it cannot be one, shown but never interpreted."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cems_tui.errors import UsageError
from cems_tui.text import (
    LONGEST_LINE,
    MAX_PROMPT_CHARACTERS,
    checked_prompt,
    loggable,
    one_line,
    redacted,
    visible,
)


@pytest.mark.parametrize("prompt", ["", " ", "\n\t ", "\u2003", "a" * 10_001, "a \ud800", "\udcff"])
def test_what_cannot_be_a_prompt_is_refused(prompt: str) -> None:
    with pytest.raises(UsageError):
        checked_prompt(prompt)


@pytest.mark.parametrize(
    "prompt",
    [" a cat ", "\x1b[31mred", "[/markup]", "قطة", "🐈", "\x00", "a" * MAX_PROMPT_CHARACTERS],
)
def test_everything_else_is_an_ordinary_prompt_and_kept_as_given(prompt: str) -> None:
    assert checked_prompt(prompt) == prompt


@given(st.text())
def test_nothing_that_is_shown_controls_the_terminal(text: str) -> None:
    shown = visible(text)
    assert all(unicodedata.category(letter) not in ("Cc", "Zl", "Zp") for letter in shown)
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200f")


def test_controls_are_shown_as_pictures_of_themselves() -> None:
    assert visible("\x1b[31mred\x07\x7f\u202e") == "␛[31mred␇␡⟨202e⟩"


@given(st.text(), st.integers(1, 40))
def test_one_line_is_one_line_of_that_width(text: str, width: int) -> None:
    shown = one_line(text, width)
    assert len(shown) <= width
    assert len(shown.splitlines()) <= 1


SECRETS = {
    "https://user:pass-w0rd@hub.example/x": "pass-w0rd",
    "GET https://s3.example/f?X-Amz-Signature=abcdef12&X-Amz-Date=1 failed": "abcdef12",
    "url: /org/f.bin?Expires=17&Signature=QWxhZGRpbg~~&Key-Pair-Id=K1": "QWxhZGRpbg",
    "{'Authorization': 'Bearer hf_abcdefghijklmnopqrstuvwxyz'}": "abcdefgh",
    "Authorization: Basic dXNlcjpwYXNz": "dXNlcjpwYXNz",
    "(b'authorization', b'Basic dXNlcjpwYXNz')": "dXNlcjpwYXNz",
    "bearer abcdefgh12345": "abcdefgh12345",
    "the token hf_AbCdEfGhIjKlMnOpQrStUvWxYz123456 was refused": "AbCdEfGh",
    "X-Amz-Credential=AKIAEXAMPLE": "AKIAEXAMPLE",
}


@pytest.mark.parametrize(("told", "secret"), SECRETS.items())
def test_no_secret_is_told(told: str, secret: str) -> None:
    assert secret in told
    assert secret not in redacted(told)
    assert secret not in loggable(f"line\n{told}")


@pytest.mark.parametrize(
    "told",
    [
        "pull org/model@main from https://hub.example/org/model",
        "hf_hub_url and hf_raise_for_status",
        "what is a cat? a=1",
        "unet/diffusion_pytorch_model.safetensors is not there",
    ],
)
def test_what_is_no_secret_is_told_as_it_is(told: str) -> None:
    assert redacted(told) == told


def test_a_log_s_line_obeys_nothing_and_has_an_end() -> None:
    shown = loggable("\x1b[31mred\n" + "\x00" * 100_000)
    assert len(shown) < 2 * LONGEST_LINE
    assert shown.startswith("␛[31mred\n␀")
