"""What stands between a user and the Hub is named: proxies, login pages, tokens, addresses."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cems_tui.errors import CemsError, UsageError
from cems_tui.models.hub import answer
from cems_tui.models.hub.client import Hub, Transient, Unreachable, reason
from tests.models.hub_fixtures import online

__all__ = ["online"]

NOWHERE = "http://127.0.0.1:9"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@contextmanager
def server(body: bytes, kind: str, packed: str | None = None) -> Iterator[str]:
    """The address of a server that answers everything in one way."""

    class Answer(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            if packed is not None:
                self.send_header("Content-Encoding", packed)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as listener:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.server_port}"
        finally:
            listener.shutdown()


@pytest.fixture
def fresh(online: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A line to the Hub that is opened anew, as the environment of the test says."""
    from huggingface_hub import close_session

    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    close_session()
    yield
    close_session()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>Welcome, please log in</html>", "text/html"),
        (b"[]", "application/json"),
        (b"{}", "application/json"),
        (b'"welcome"', "application/json"),
        (b"", "text/plain"),
    ],
)
@pytest.mark.usefixtures("fresh")
def test_a_page_that_is_not_the_hub_s_is_told_as_such(body: bytes, kind: str) -> None:
    with (
        server(body, kind) as address,
        pytest.raises(Unreachable, match="does not answer as the Hub does") as raised,
    ):
        Hub(address).describe("org/tiny", None)
    assert "login page" in raised.value.hint


@pytest.mark.parametrize("packed", [None, "gzip"])
@pytest.mark.usefixtures("fresh")
def test_an_answer_without_end_is_not_held_in_memory(
    packed: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer, "LARGEST_ANSWER_BYTES", 1_000)
    body = b'{"a": "' + b"x" * 5_000 + b'"}'
    if packed is not None:
        body = gzip.compress(body)
        assert len(body) < 1_000
    with (
        server(body, "application/json", packed) as address,
        pytest.raises(Unreachable, match="does not answer as the Hub does") as raised,
    ):
        Hub(address).describe("org/tiny", None)
    assert "answer is" in str(raised.value.__cause__)


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "socks://127.0.0.1:9/", "ftp://a:1"])
@pytest.mark.usefixtures("fresh")
def test_a_proxy_that_cannot_be_used_is_named_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(UsageError, match="ALL_PROXY"):
        Hub("http://hub.invalid").describe("org/tiny", None)


@pytest.mark.usefixtures("fresh")
def test_a_proxy_that_is_down_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://me:SECRET@127.0.0.1:9")
    with pytest.raises(Transient) as raised:
        Hub("http://hub.invalid").describe("org/tiny", None)
    assert str(raised.value).startswith("hub.invalid through the proxy 127.0.0.1:9: ")
    assert "SECRET" not in str(raised.value)


@pytest.mark.parametrize("token", ["hf_“SECRET”", "hf_SECRET\x01", "hf_SEC RET"])
@pytest.mark.usefixtures("fresh")
def test_a_token_that_is_none_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(UsageError, match="token") as raised:
        Hub(NOWHERE).describe("org/tiny", None)
    assert "SEC" not in str(raised.value) + raised.value.hint


@pytest.mark.parametrize("address", ["hub", "ftp://hub", "https://", "http://[hub", "http://h:x"])
@pytest.mark.usefixtures("fresh")
def test_an_address_that_is_none_is_named(address: str) -> None:
    with pytest.raises(UsageError, match="HF_ENDPOINT"):
        Hub(address).describe("org/tiny", None)


@pytest.mark.usefixtures("fresh")
def test_the_password_of_an_address_is_never_told() -> None:
    hub = Hub("http://me:SECRET@127.0.0.1:9/mirror")
    assert hub.page("org/tiny") == "http://127.0.0.1:9/mirror/org/tiny"
    with pytest.raises((CemsError, Transient)) as raised:
        hub.describe("org/tiny", None)
    assert "SECRET" not in str(raised.value)
    assert reason(OSError("no http://me:SECRET@host/a"), None) == "no http://…@host/a"
