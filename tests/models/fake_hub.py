"""A Hub on a real socket: its API, files with ranges, a second server they redirect to, faults.

In a test: `with FakeHub({"org/tiny": {"a.json": b"…"}}) as hub: … hub.url`. For another process:
`python -m tests.models.fake_hub FOLDER` serves the folders `FOLDER/org/name` until its stdin ends;
a line there, a list of `[path, fault]`, says what goes wrong from then on.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlparse

API = re.compile(r"/api/(?:models|datasets)/([^/]+/[^/]+)(?:/revision/([^/]+))?")
PATHS = re.compile(r"/api/datasets/([^/]+/[^/]+)/paths-info/([^/]+)")
TREE = re.compile(r"/api/models/([^/]+/[^/]+)/tree/([^/]+)")
RESOLVE = re.compile(r"/(?:datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
LARGE = (".safetensors", ".bin", ".ckpt", ".msgpack", ".onnx", ".parquet")
PIECE = 1 << 16
LARGE_PIECE = 1 << 22
"""Written at once when nothing shall go wrong."""


@dataclass
class Fault:
    """What goes wrong when a file is asked for; each is used up unless it is `always`."""

    status: int | None = None
    retry_after: str | None = None
    drop_after: int | None = None
    """Bytes of the body after which the line drops."""

    ignore_range: bool = False
    corrupt: bool = False
    """The right length, another content."""

    shorten: int = 0
    """Bytes cut off the end, and so declared."""

    hang_after: int | None = None
    """Bytes of the body after which nothing more comes."""

    seconds_a_piece: float = 0.0
    code: str | None = None
    """The X-Error-Code of a failed status."""

    always: bool = False


@dataclass
class Asked:
    """One request for a file's content."""

    path: str
    offset: int
    status: int
    sent: int = 0


@dataclass
class FakeHub:
    """Repositories by id, each a mapping of paths to contents."""

    repos: dict[str, dict[str, bytes]]
    licence: str = "mit"
    gated: set[str] = field(default_factory=set)
    """Repositories whose conditions must have been accepted: those need the token."""

    private: set[str] = field(default_factory=set)
    token: str = "hf_secret_of_the_tests"
    shas: dict[str, str] = field(default_factory=dict)
    """A commit that stays the same whatever the content."""

    redirect: bool = True
    """Whether large files come from another server, as with the Hub's storage."""

    def __post_init__(self) -> None:
        self.faults: dict[str, list[Fault]] = defaultdict(list)
        self.asked: list[Asked] = []
        self.storage_headers: list[dict[str, str]] = []
        self._lock = threading.Lock()
        self._server = _serve(self, _HubHandler)
        self._storage = _serve(self, _StorageHandler)
        self._digests: dict[int, tuple[bytes, str]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def storage_url(self) -> str:
        return f"http://localhost:{self._storage.server_port}"

    @property
    def environment(self) -> dict[str, str]:
        """What a `cems` that asks this Hub is started with."""
        return {"HF_HUB_OFFLINE": "", "HF_ENDPOINT": self.url, "NO_PROXY": "*"}

    def __enter__(self) -> FakeHub:
        for server in (self._server, self._storage):
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *ignored: object) -> None:
        for server in (self._server, self._storage):
            server.shutdown()
            server.server_close()

    def die(self) -> None:
        """Be gone, as with the network: nothing answers at this address any more."""
        from huggingface_hub import close_session

        self._server.shutdown()
        self._server.server_close()
        close_session()

    def fail(self, path: str, fault: Fault, times: int = 1) -> None:
        """Let the next requests for a file (or `/api/…`) go wrong."""
        self.faults[path].extend([fault] * times)

    def fault(self, path: str) -> Fault:
        """What goes wrong with this request."""
        with self._lock:
            waiting = self.faults[path]
            if not waiting:
                return Fault()
            return waiting[0] if waiting[0].always else waiting.pop(0)

    def settle(self) -> None:
        """Fix every commit, and hash no content again: for repositories that are large."""
        for repo, files in self.repos.items():
            self.shas[repo] = self.commit(repo)
            for path, data in files.items():
                self.digest(data, path.endswith(LARGE))

    def commit(self, repo: str) -> str:
        """The commit of a repository: of its content, unless told to stay."""
        if repo in self.shas:
            return self.shas[repo]
        digest = hashlib.sha1()
        for path, data in sorted(self.repos[repo].items()):
            digest.update(f"{path} {len(data)} {hashlib.sha1(data).hexdigest()}".encode())
        return digest.hexdigest()

    def digest(self, data: bytes, large: bool) -> str:
        """The sha256 of a large file, git's blob id of a small one."""
        if id(data) not in self._digests:
            digest = hashlib.sha256(data).hexdigest() if large else git_sha1(data)
            self._digests[id(data)] = (data, digest)  # kept, so that its id stays its own
        return self._digests[id(data)][1]

    def bytes_sent(self, path: str) -> int:
        """Bytes of a file that were sent, in all."""
        return sum(asked.sent for asked in self.asked if asked.path == path)


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what these tests are about."""


def _serve(hub: FakeHub, handler: type[_Handler]) -> _Quiet:
    return _Quiet(("127.0.0.1", 0), type("Bound", (handler,), {"hub": hub}))


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *arguments: Any) -> None:
        """Tests speak for themselves."""

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def answer(self) -> None:
        raise NotImplementedError

    def reply(self, status: int, body: bytes = b"", **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status: int, code: str | None, **headers: object) -> None:
        more = {} if code is None else {"X_Error_Code": code, "X_Error_Message": code}
        self.reply(status, b'{"error": "refused"}', **more, **headers)

    def failed(self, fault: Fault) -> bool:
        if fault.status is None:
            return False
        after = {} if fault.retry_after is None else {"Retry_After": fault.retry_after}
        self.refuse(fault.status, fault.code, **after)
        return True

    def send_file(self, path: str, data: bytes, fault: Fault, **headers: object) -> None:
        start, status = 0, 200
        asked = self.headers.get("Range")
        if fault.shorten:
            data = data[: -fault.shorten]
        if asked and self.command == "GET" and not fault.ignore_range:
            start = int(asked.removeprefix("bytes=").split("-")[0])
            if start >= len(data):
                self.hub.asked.append(Asked(path, start, 416))
                return self.refuse(416, None, Content_Range=f"bytes */{len(data)}")
            status = 206
            headers["Content_Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        if fault.corrupt:
            data = bytes(byte ^ 0xFF for byte in data[:64]) + data[64:]
        note = Asked(path, start, status)
        self.hub.asked.append(note)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        return None if self.command == "HEAD" else self._send(memoryview(data)[start:], fault, note)

    def _send(self, body: memoryview, fault: Fault, note: Asked) -> None:
        limit = min(x for x in (fault.drop_after, fault.hang_after, len(body)) if x is not None)
        piece_bytes = LARGE_PIECE if fault == Fault() else PIECE
        while note.sent < limit:
            piece = body[note.sent : min(note.sent + piece_bytes, limit)]
            self.wfile.write(piece)
            note.sent += len(piece)
            if fault.seconds_a_piece:
                time.sleep(fault.seconds_a_piece)
        if fault.hang_after is not None:
            time.sleep(30)
        if limit < len(body):
            self.close_connection = True
            self.connection.close()


class _HubHandler(_Handler):
    def answer(self) -> None:
        path = unquote(urlparse(self.path).path)
        if match := API.fullmatch(path):
            return self._describe(match[1], match[2])
        if match := PATHS.fullmatch(path):
            return self._paths(match[1])
        if match := TREE.fullmatch(path):
            return self._tree(match[1])
        if match := RESOLVE.fullmatch(path):
            return self._resolve(match[1], match[2], match[3])
        return self.refuse(404, None)

    def _may_not(self, repo: str) -> bool:
        knows = self.headers.get("Authorization") == f"Bearer {self.hub.token}"
        if repo not in self.hub.repos or (repo in self.hub.private and not knows):
            self.refuse(401, "RepoNotFound")
        elif repo in self.hub.gated and not knows:
            self.refuse(403, "GatedRepo")
        else:
            return False
        return True

    def _describe(self, repo: str, revision: str | None) -> None:
        if self.failed(self.hub.fault(f"/api/{repo}")) or self._may_not(repo):
            return
        commit = self.hub.commit(repo)
        if revision not in (None, "main", commit):
            self.refuse(404, "RevisionNotFound")
            return
        told = {
            "_id": "1",
            "id": repo,
            "modelId": repo,
            "sha": commit,
            "private": repo in self.hub.private,
            "gated": "auto" if repo in self.hub.gated else False,
            "tags": [f"license:{self.hub.licence}"],
            "cardData": {"license": self.hub.licence},
            "downloads": 0,
            "siblings": [self._sibling(p, d) for p, d in self.hub.repos[repo].items()],
        }
        self.reply(200, json.dumps(told).encode(), Content_Type="application/json")

    def _sibling(self, path: str, data: bytes) -> dict[str, Any]:
        large = path.endswith(LARGE)
        told: dict[str, Any] = {"rfilename": path, "size": len(data)}
        told["blobId"] = "0" * 40 if large else self.hub.digest(data, large)
        if large:
            sha256 = self.hub.digest(data, large)
            told["lfs"] = {"sha256": sha256, "size": len(data), "pointerSize": 134}
        return told

    def _paths(self, repo: str) -> None:
        """What is told of some files of a data set."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        asked = (
            json.loads(body)["paths"] if body.startswith(b"{") else parse_qs(body.decode())["paths"]
        )
        self._tree(repo, asked)

    def _tree(self, repo: str, asked: list[str] | None = None) -> None:
        """What `hf download` asks for; ours asks for the description only."""
        if self._may_not(repo):
            return
        told = []
        for path, data in self.hub.repos[repo].items():
            if asked is not None and path not in asked:
                continue
            large = path.endswith(LARGE)
            entry: dict[str, Any] = {"type": "file", "path": path, "oid": "0" * 40}
            digest = self.hub.digest(data, large)
            if large:
                entry["lfs"] = {"oid": digest, "size": len(data), "pointerSize": 134}
            else:
                entry["oid"] = digest
            told.append({**entry, "size": len(data)})
        self.reply(200, json.dumps(told).encode(), Content_Type="application/json")

    def _resolve(self, repo: str, revision: str, path: str) -> None:
        if self._may_not(repo):
            return None
        data = self.hub.repos[repo].get(path)
        commit = self.hub.commit(repo)
        if revision not in ("main", commit):
            return self.refuse(404, "RevisionNotFound")
        if data is None:
            return self.refuse(404, "EntryNotFound", X_Repo_Commit=commit)
        large = path.endswith(LARGE)
        tag = f'"{self.hub.digest(data, large)}"'
        if large and self.hub.redirect:
            return self.reply(
                302,
                Location=f"{self.hub.storage_url}/{quote(repo)}/{quote(path)}",
                X_Repo_Commit=commit,
                X_Linked_Etag=tag,
                X_Linked_Size=len(data),
            )
        fault = self.hub.fault(path)
        if self.failed(fault):
            return None
        return self.send_file(
            path, data, fault, ETag=tag, X_Repo_Commit=commit, Accept_Ranges="bytes"
        )


class _StorageHandler(_Handler):
    def answer(self) -> None:
        parts = unquote(urlparse(self.path).path).lstrip("/").split("/", 2)
        path = parts[2]
        self.hub.storage_headers.append(dict(self.headers.items()))
        fault = self.hub.fault(path)
        if not self.failed(fault):
            self.send_file(path, self.hub.repos["/".join(parts[:2])][path], fault)


def git_sha1(data: bytes) -> str:
    """The id of a blob in git."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def in_seconds(seconds: float) -> str:
    """A Retry-After in the form of a date."""
    return formatdate(time.time() + seconds, usegmt=True)


def folder_of_files(folder: Path) -> dict[str, bytes]:
    """A folder as a repository's content."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def main() -> None:
    root = Path(sys.argv[1])
    repos = {
        folder.relative_to(root).as_posix(): folder_of_files(folder) for folder in root.glob("*/*")
    }
    with FakeHub(repos) as hub:
        hub.settle()
        print(hub.url, flush=True)
        for line in sys.stdin:
            hub.faults.clear()
            for path, fault in json.loads(line):
                hub.fail(path, Fault(**fault))
            print("told", flush=True)


if __name__ == "__main__":
    main()
