"""What a Hub tells of a repository is typed before it is used: a stranger may answer for it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cems_tui.errors import CemsError, DownloadError, WeightsError
from cems_tui.models.hub import answer
from cems_tui.models.hub.client import Hub, Transient
from cems_tui.models.repository import MOST_FILES, Repository, is_commit
from tests.models.hub_fixtures import online

__all__ = ["online"]

WEIGHTS = "unet/model.safetensors"
TOLD: dict[str, Any] = {
    "_id": "1",
    "id": "org/tiny",
    "modelId": "org/tiny",
    "sha": "0123456789" * 4,
    "private": False,
    "gated": False,
    "tags": ["license:mit"],
    "cardData": {"license": "mit"},
    "siblings": [
        {"rfilename": "model_index.json", "size": 2, "blobId": "a" * 40},
        {
            "rfilename": WEIGHTS,
            "size": 9,
            "blobId": "b" * 40,
            "lfs": {"sha256": "c" * 64, "size": 9, "pointerSize": 134},
        },
    ],
}


@dataclass
class Mirror:
    """A Hub that answers with whatever bytes it was given."""

    address: str = ""
    body: bytes = b""

    def describe(self, told: object) -> Repository:
        self.body = told if isinstance(told, bytes) else json.dumps(told).encode()
        return Hub(self.address).describe("org/tiny", None)


@pytest.fixture(scope="module")
def listening() -> Iterator[Mirror]:
    mirror = Mirror()

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(mirror.body)))
            self.end_headers()
            self.wfile.write(mirror.body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as listener:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        mirror.address = f"http://127.0.0.1:{listener.server_port}"
        yield mirror
        listener.shutdown()


@pytest.fixture
def mirror(online: None, listening: Mirror) -> Mirror:
    return listening


def told(**siblings: Any) -> dict[str, Any]:
    """The answer with something else told of the weights; None leaves it out."""
    answer = deepcopy(TOLD)
    for name, value in siblings.items():
        answer["siblings"][1][name] = value
    return answer


def test_what_a_hub_tells_is_taken(mirror: Mirror) -> None:
    found = mirror.describe(TOLD)
    assert (found.commit, found.licence, found.gated) == ("0123456789" * 4, "mit", False)
    assert [(f.path, f.size, f.sha256, f.git_sha1) for f in found.files] == [
        ("model_index.json", 2, None, "a" * 40),
        (WEIGHTS, 9, "c" * 64, None),
    ]


@pytest.mark.parametrize(
    "answer",
    [
        told(lfs=None, blobId=None),
        told(lfs={"sha256": None, "size": 9, "pointerSize": 1}),
        told(lfs={"sha256": "c" * 63, "size": 9, "pointerSize": 1}),
        told(lfs={"sha256": "../../x", "size": 9, "pointerSize": 1}),
        told(lfs=None, blobId="z" * 40),
        told(lfs=None, blobId=7),
    ],
)
def test_a_file_without_a_digest_is_refused_for_it_could_not_be_checked(
    mirror: Mirror, answer: dict[str, Any]
) -> None:
    with pytest.raises(DownloadError, match=f"no digest of org/tiny/{WEIGHTS}"):
        mirror.describe(answer)


@pytest.mark.parametrize("size", [-1, 1 << 46, 10**400, 1.5, "9", True, [], {}])
def test_a_size_that_is_none_is_refused(mirror: Mirror, size: object) -> None:
    with pytest.raises(DownloadError, match="for the bytes of org/tiny/"):
        mirror.describe(told(size=size))


def test_a_size_that_is_left_out_is_refused(mirror: Mirror) -> None:
    with pytest.raises(DownloadError, match="does not say how large"):
        mirror.describe(told(size=None))


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/./b", "a\\b", "a\0b", ""])
def test_a_path_that_leaves_the_folder_is_refused(mirror: Mirror, path: str) -> None:
    with pytest.raises(WeightsError, match="outside its folder"):
        mirror.describe(told(rfilename=path))


@pytest.mark.parametrize(
    ("path", "why"),
    [("model_index.json", "twice"), ("model_index.json/x.json", "below what it lists as a file")],
)
def test_two_files_in_one_place_are_refused(mirror: Mirror, path: str, why: str) -> None:
    with pytest.raises(DownloadError, match=why):
        mirror.describe(told(rfilename=path))


def test_a_listing_without_end_is_refused(mirror: Mirror) -> None:
    answer = deepcopy(TOLD)
    one = answer["siblings"][0]
    answer["siblings"] = [{**one, "rfilename": f"{n}"} for n in range(MOST_FILES + 1)]
    with pytest.raises(DownloadError, match="20,001 files"):
        mirror.describe(answer)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"sha": 1e999999}',
        b'{"id": "\\ud800"}',
        b"\xff\xfe{}",
        b"null",
        json.dumps({**TOLD, "siblings": 7}).encode(),
        json.dumps({**TOLD, "siblings": [7]}).encode(),
        json.dumps({**TOLD, "siblings": None}).encode(),
        json.dumps({**TOLD, "createdAt": "yesterday"}).encode(),
        json.dumps({**TOLD, "safetensors": 3}).encode(),
    ],
)
def test_an_answer_that_is_none_is_told_as_such(mirror: Mirror, body: bytes) -> None:
    with pytest.raises(CemsError) as raised:
        mirror.describe(body)
    assert raised.value.exit_code == 3


@pytest.mark.parametrize("licence", [7, ["mit"], {"a": 1}, "", None])
def test_a_licence_that_is_no_text_is_not_one(mirror: Mirror, licence: object) -> None:
    found = mirror.describe({**TOLD, "cardData": {"license": licence}, "tags": [7, "license:mit"]})
    assert found.licence == "mit"


def test_a_licence_is_one_short_line(mirror: Mirror) -> None:
    found = mirror.describe({**TOLD, "cardData": {"license": "mit\n\x1b[31m" + "x" * 10_000}})
    assert found.licence is not None
    assert len(found.licence) == 100
    assert not {"\x1b", "\n"} & set(found.licence)


def assert_typed(found: Repository) -> None:
    assert is_commit(found.commit)
    assert found.licence is None or isinstance(found.licence, str)
    assert len({file.path for file in found.files}) == len(found.files)
    for file in found.files:
        assert type(file.size) is int
        assert file.size >= 0
        assert file.sha256 is not None or file.git_sha1 is not None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
PLACES: list[tuple[Any, ...]] = [
    *((key,) for key in TOLD),
    ("cardData", "license"),
    ("createdAt",),
    ("lastModified",),
    ("downloads",),
    ("safetensors",),
    ("config",),
    ("widgetData",),
    ("transformersInfo",),
    *(("siblings", 1, key) for key in ("rfilename", "size", "blobId", "lfs")),
    *(("siblings", 1, "lfs", key) for key in ("sha256", "size", "pointerSize")),
]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from(PLACES), value=JSON)
def test_no_answer_is_a_fault_of_ours(
    mirror: Mirror, place: tuple[Any, ...], value: object
) -> None:
    answer = deepcopy(TOLD)
    inside: Any = answer
    for step in place[:-1]:
        inside = inside[step]
    inside[place[-1]] = value
    with suppress(CemsError, Transient):
        assert_typed(mirror.describe(answer))


INDEXES = [b"", b"[]", b"[" * 100_000, b"\xff", b'{"a":' * 50_000, b"{" + b" " * 1_000_001 + b"}"]


@pytest.mark.parametrize("body", INDEXES)
def test_an_index_that_describes_nothing_is_told_as_such(body: bytes) -> None:
    with pytest.raises(WeightsError, match="does not describe a pipeline"):
        answer.index(body, "org/tiny")
