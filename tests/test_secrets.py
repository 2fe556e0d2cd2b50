"""What opens an account or a file reaches no log and no message."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from cems_tui import log
from cems_tui.cli.failures import Failure, report
from cems_tui.models.hub.client import Hub, Transient
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
