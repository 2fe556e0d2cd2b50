"""What opens an account or a file reaches no log and no message."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest

from cems_tui import log
from cems_tui.cli.failures import Failure, report
from cems_tui.models.hub.client import Hub, Transient
from cems_tui.text import redacted
from screens.failures import log_traceback

SECRETS = ("pa55word", "5ignature", "hf_AbCdEfGhIjKlMnOpQrStUv", "\x1b", "\x9b")
TOLD = (
    "https://user:pa55@5ignature@hub.example/org "
    "https://user:pa55word@hub.example/org/f?Signature=5ignature&Expires=1 refused "
    "Authorization: Bearer hf_AbCdEfGhIjKlMnOpQrStUv \x1b]52;c;eA==\x07\x9b2J"
)


@pytest.fixture
def logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log file of the test's own."""
    monkeypatch.setenv("CEMS_HOME", str(tmp_path / "home"))
    logger = logging.getLogger("cems")
    monkeypatch.setattr(logger, "handlers", [])
    return log.file()


def assert_no_secret(text: str) -> None:
    assert "refused" in text
    assert not [secret for secret in SECRETS if secret in text]


def test_a_failure_tells_its_user_and_its_log_no_secret(
    logged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        raise RuntimeError(TOLD)
    except RuntimeError as error:
        report(Failure(TOLD, TOLD, 1), debug=True, error=error)
        log_traceback(error)
    log.error("a server said %s", TOLD)
    assert_no_secret(capsys.readouterr().err)
    assert_no_secret(logged.read_text())
    assert logged.read_text().count("\nRuntimeError: ") == 2


def test_an_endpoint_s_password_is_in_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "")
    hub = Hub("http://user:pa55word@127.0.0.1:1")
    assert hub.page("org/tiny") == "http://127.0.0.1:1/org/tiny"
    with pytest.raises(Transient) as failed, hub._translated("org/tiny", None):
        raise OSError(TOLD)
    assert "127.0.0.1:1" in str(failed.value)
    assert "pa55word" not in str(failed.value)
    assert "5ignature" not in str(failed.value)


SECRET = "S3cr3tValue99"


@pytest.mark.parametrize(
    "told",
    [
        "http://user:S3cr3tValue99/w@hub.example/org",
        "ProxyError: http://u:S3cr3tValue99@proxy:3128 refused",
        "socks5://u:S3cr3tValue99@proxy",
        "token=S3cr3tValue99",
        "https://h/f?access_token=S3cr3tValue99&x=1",
        '{"token": "S3cr3tValue99", "a": 1}',
        "HF_TOKEN=S3cr3tValue99 cems pull x",
        "password: S3cr3tValue99",
        "x-api-key: S3cr3tValue99",
        "Cookie: session=S3cr3tValue99; a=b",
        "[(b'set-cookie', b'sid=S3cr3tValue99; Path=/')]",
        "Authorization: Basic S3cr3tValue99",
        "https://h/f;sig=S3cr3tValue99",
        "private_key = 'S3cr3tValue99'",
    ],
)
def test_what_is_named_as_a_secret_is_told_to_nobody(told: str) -> None:
    assert SECRET not in redacted(told)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HF_TOKEN", SECRET),
        ("HUGGING_FACE_HUB_TOKEN", SECRET),
        ("HTTPS_PROXY", f"http://me:{SECRET}@proxy:3128"),
        ("https_proxy", f"http://me:{SECRET}@proxy:3128"),
        ("ALL_PROXY", f"me:{SECRET}@proxy:3128"),
        ("HF_ENDPOINT", f"https://me:{SECRET}@hub.example"),
    ],
)
def test_what_the_environment_holds_is_told_to_nobody_in_whatever_words(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    for told in (f"the server repeated {SECRET}", f"me/{SECRET}/x", f"{{'k': ['{SECRET}']}}"):
        assert SECRET not in redacted(told)


def test_words_that_are_no_secrets_stay() -> None:
    for told in (
        "http://127.0.0.1:8080/org/name@main is refused",
        "77 tokens: the rest is cut",
        "the tokenizer: CLIPTokenizer",
        "a secret garden, no password",
        "cems-clip: signature of 3 functions",
    ):
        assert redacted(told) == told


@pytest.mark.parametrize(
    "piece",
    ["a-", "://", "://a:", "?a=", "cookie:", "token:", "authorization:", "sig-", "hf_", "b'"],
)
def test_a_long_text_of_a_stranger_is_looked_through_in_time_that_grows_with_it(piece: str) -> None:
    def seconds(times: int) -> float:
        text, began = piece * times, time.process_time()
        redacted(text)
        return time.process_time() - began

    assert min(seconds(40_000) for _ in range(3)) < 8 * max(seconds(10_000), 0.01)
