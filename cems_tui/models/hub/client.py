"""The Hugging Face Hub through its own library's public interface: listings, streams, its cache.

The only importer of huggingface_hub. Its downloads are not used: they throw partial files
away, check no content over HTTP and notice a cancel late; its login, its addresses, its errors,
its connections and its cache are.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from cems_tui.errors import CemsError, DownloadError, UsageError
from cems_tui.models.hub import answer
from cems_tui.models.repository import INDEX, Repository, checked_commit
from cems_tui.text import redacted

if TYPE_CHECKING:
    from httpx2 import Client, Request, Response


CONNECT_SECONDS = 10.0
STALL_SECONDS = 20.0
"""Without a byte for so long a line counts as dropped."""

DATA_SET = "dataset"
"""What the Hub calls a repository of data."""

_RETRIED = frozenset({408, 416, 425, 429, 500, 502, 503, 504})
_REFUSED = frozenset({401, 403})


@dataclass(frozen=True, slots=True)
class Stream:
    """The body of a file, from some byte on."""

    offset: int
    """The file's byte that the body begins with: 0 where a range was asked for and ignored."""

    chunks: Iterator[bytes]
    _response: Response

    def abort(self) -> None:
        """End it from another thread: who reads it gets an error at once."""
        line = self._response.extensions.get("network_stream")
        plain = None if line is None else line.get_extra_info("socket")
        if plain is not None:
            with suppress(OSError):  # it has ended already
                plain.shutdown(socket.SHUT_RDWR)


class Hub:
    """The Hub that HF_ENDPOINT names, as the user who logged in with `hf auth login`."""

    def __init__(self, endpoint: str | None = None) -> None:
        os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
        os.environ.setdefault("HF_HUB_DISABLE_UPDATE_CHECK", "1")
        from huggingface_hub import constants

        self._endpoint = endpoint or constants.ENDPOINT

    @property
    def offline(self) -> bool:
        """Whether HF_HUB_OFFLINE forbids asking it."""
        from huggingface_hub import constants

        return bool(constants.is_offline_mode())

    def page(self, repo: str) -> str:
        """Where people read about a repository and accept its conditions."""
        at = urlsplit(self._endpoint)
        return f"{at.scheme}://{_host(self._endpoint)}{at.path.rstrip('/')}/{repo}"

    def describe(self, repo: str, revision: str | None) -> Repository:
        """A repository's commit, files, licence.

        Args:
            revision: a commit, branch or pull-request reference; None is its main branch.

        Raises:
            UsageError: no repository can be called that.
            DownloadError: it is not there, private or gated, HF_HUB_OFFLINE is set, or the answer
                is no answer of a Hub.
            WeightsError: a file would be written outside the model's folder.
            Transient: the Hub could not be asked just now.
        """
        from huggingface_hub import HfApi

        with self._translated(repo, revision):
            _bounded_client()
            try:
                info = HfApi(endpoint=self._endpoint).model_info(
                    repo, revision=revision, files_metadata=True, timeout=CONNECT_SECONDS
                )
                return answer.repository(repo, info)
            except answer.WRONG_TYPES as error:
                if _is_of_the_question(error):
                    raise
                raise Unreachable(
                    f"{self._way()} does not answer as the Hub does",
                    "A login page of the network may answer in its place: open a web page and log "
                    "in there. Or correct HF_ENDPOINT.",
                ) from error

    def describe_file(self, data_set: str, pattern: str) -> Repository:
        """The newest commit of a data set, with the first of its files that a pattern names.

        A data set may have tens of thousands of files: only this one is asked for.

        Args:
            pattern: as of `fnmatch`, a path within the data set.

        Raises:
            DownloadError: it is not there, or has no such file; else as `describe`.
        """
        from huggingface_hub import HfApi

        with self._translated(data_set, None):
            _bounded_client()
            try:
                api = HfApi(endpoint=self._endpoint)
                info = api.dataset_info(
                    data_set,
                    expand=["sha", "siblings", "cardData", "tags", "gated"],
                    timeout=CONNECT_SECONDS,
                )
                path = answer.named(info, pattern)
                if path is None:
                    raise _gone(f"{pattern} of the data set {data_set}")
                commit = checked_commit(info.sha, data_set)
                found = api.get_paths_info(data_set, [path], revision=commit, repo_type=DATA_SET)
                return answer.repository_of(data_set, info, found)
            except answer.WRONG_TYPES as error:
                if _is_of_the_question(error):
                    raise
                raise Unreachable(
                    f"{self._way()} does not answer as the Hub does",
                    "A login page of the network may answer in its place: open a web page and log "
                    "in there. Or correct HF_ENDPOINT.",
                ) from error

    def index(self, repository: Repository) -> dict[str, Any] | None:
        """The content of its model_index.json; None when it has none.

        Raises:
            WeightsError: it is no such thing.
            DownloadError: it cannot be fetched.
            Transient: not just now.
        """
        listed = next((file for file in repository.files if file.path == INDEX), None)
        if listed is None:
            return None
        there = self.cached(repository.repo, repository.commit, INDEX)
        body = self._small(repository, INDEX) if there is None else _beginning(there)
        return answer.index(body, repository.repo)

    def cached(self, repo: str, commit: str, path: str) -> Path | None:
        """The file in the user's own Hub cache (HF_HOME), if it is there."""
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(repo, path, revision=commit)
        return Path(found) if isinstance(found, str) else None

    def cached_repository(self, repo: str, revision: str | None) -> Repository | None:
        """What the user's own Hub cache holds of a pipeline, without asking the Hub.

        Its files are named by their digests. None when no pipeline of that name is there.
        """
        index = self.cached(repo, revision or "main", INDEX)
        if index is None:
            return None
        root = index.parent
        files = [path for path in sorted(root.rglob("*")) if path.is_file()]
        return Repository(
            repo,
            checked_commit(root.name, repo),
            tuple(answer.cached_file(path, root) for path in files),
        )

    def _small(self, repository: Repository, path: str) -> bytes:
        """The content of a small file."""
        with self.open(repository.repo, repository.commit, path, 0) as stream:
            body = bytearray()
            for chunk in stream.chunks:
                body += chunk
                if len(body) > answer.LARGEST_INDEX_BYTES:
                    break
        return bytes(body)

    @contextmanager
    def open(
        self, repo: str, commit: str, path: str, offset: int, *, kind: str | None = None
    ) -> Iterator[Stream]:
        """The body of one file from byte `offset` on.

        Args:
            kind: `DATA_SET` where the repository is one; None is a model.

        Raises:
            DownloadError: the file is gone, or access is refused.
            Transient: the line dropped, or the server asks to come back.
        """
        from huggingface_hub import hf_hub_url
        from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

        address = hf_hub_url(repo, path, repo_type=kind, revision=commit, endpoint=self._endpoint)
        headers = {**build_hf_headers(library_name="cems-tui"), "Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        with (
            self._translated(repo, commit, path),
            _bounded_client().stream(
                "GET", address, headers=headers, timeout=_timeout(), follow_redirects=True
            ) as response,
        ):
            _refuse_failure(response)
            plain = "content-encoding" not in response.headers
            yield Stream(
                offset=_begins_at(response, offset),
                chunks=response.iter_raw() if plain else response.iter_bytes(),
                _response=response,
            )

    @contextmanager
    def _translated(
        self, repo: str, revision: str | None, path: str | None = None
    ) -> Iterator[None]:
        """What the libraries raise, as what a user can act on."""
        from httpx2 import HTTPError, InvalidURL, StreamError
        from huggingface_hub.errors import HFValidationError, OfflineModeIsEnabled

        if not self.offline:
            self._refuse_settings()
        try:
            yield
        except (CemsError, Transient):
            raise
        except HFValidationError as error:
            raise UsageError(
                f"{repo!r} cannot be the name of a repository", "Write it as ORG/REPO."
            ) from error
        except OfflineModeIsEnabled as error:
            raise Unreachable(
                f"HF_HUB_OFFLINE is set, so {repo} cannot be asked for",
                "Unset HF_HUB_OFFLINE; models that are installed work without the Hub.",
            ) from error
        except ImportError as error:  # a proxy of a kind that needs another package
            raise _useless_proxy() from error
        except (ValueError, InvalidURL) as error:
            if not _is_of_the_question(error):
                raise
            raise _useless_proxy() from error
        except (HTTPError, StreamError, OSError) as error:
            raise self._failure(error, repo, revision, path) from error

    def _refuse_settings(self) -> None:
        """Refuse what no request can be made of, before it ends up in an error of a library.

        Raises:
            UsageError: the Hub's address or the user's token is none.
        """
        from huggingface_hub import get_token

        try:
            at = urlsplit(self._endpoint)
            fine = at.scheme in ("http", "https") and bool(at.hostname) and at.port != 0
        except ValueError:
            fine = False
        if not fine:
            raise UsageError(
                "HF_ENDPOINT is no address of a Hub", "Write it as https://HOST, or unset it."
            )
        token = get_token()
        if token is not None and not all("!" <= letter <= "~" for letter in token):
            raise UsageError(
                "the token for the Hub holds letters that no token has, such as typographic quotes",
                "Correct HF_TOKEN, or log in again with `hf auth login`.",
            )

    def _way(self) -> str:
        """The Hub's host, and the proxy that the environment puts before it."""
        host = _host(self._endpoint)
        proxy = _proxy(self._endpoint)
        return host if proxy is None else f"{host} through the proxy {_host(proxy)}"

    def _failure(
        self, error: Exception, repo: str, revision: str | None, path: str | None
    ) -> Exception:
        from huggingface_hub import errors

        match error:
            case errors.GatedRepoError():
                return self._gated(repo)
            case errors.RevisionNotFoundError():
                return _gone(f"the revision {revision} of {repo}")
            case errors.EntryNotFoundError():
                return _gone(f"{path} of {repo}")
            case errors.RepositoryNotFoundError():
                return DownloadError(
                    f"the Hub has no model {repo}, or it is private",
                    "Check the name; for a private model log in with `hf auth login`.",
                )
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in _REFUSED:
            return Transient(f"access to {path or repo} was refused ({status})", refused=True)
        if status is not None and status not in _RETRIED:
            return DownloadError(f"the Hub answered {status} for {path or repo}", _LATER)
        waits = retry_after(error)
        return Transient(f"{self._way()}: {reason(error, status)}", waits)

    def _gated(self, repo: str) -> DownloadError:
        return DownloadError(
            f"{repo} is gated: its authors ask for conditions to be accepted",
            f"Accept them at {self.page(repo)}, log in with `hf auth login`, and pull again.",
        )


_LATER = "Try again later; what was fetched is kept."


def _gone(what: str) -> DownloadError:
    return DownloadError(
        f"{what} is not on the Hub", "Choose another with --revision (`main` is the newest)."
    )


def _timeout() -> Any:
    from httpx2 import Timeout

    return Timeout(STALL_SECONDS, connect=CONNECT_SECONDS)


def _bounded_client() -> Client:
    """The library's line to the Hub, on which no answer, and no failure, fills the memory."""
    from huggingface_hub import get_session

    client: Client = get_session()
    hooks = client.event_hooks
    if _bounded not in hooks["response"]:
        client.event_hooks = {
            "request": [*hooks["request"], _plain],
            "response": [*hooks["response"], _bounded],
        }
    return client


def _plain(request: Request) -> None:
    """Asks for an answer as it is: a few bytes may unpack to any number."""
    request.headers["Accept-Encoding"] = "identity"


def _bounded(response: Response) -> None:
    """Raises ValueError while an answer is read that no Hub gives: too long, or packed."""
    from httpx2 import SyncByteStream

    if "/api/" not in response.request.url.path and not response.is_error:
        return
    if response.headers.get("content-encoding", "identity") != "identity":
        raise ValueError("the answer is packed, and a plain one was asked for")
    assert isinstance(response.stream, SyncByteStream)
    body: SyncByteStream = response.stream

    class Bounded(SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            read = 0
            for part in body:
                read += len(part)
                if read > answer.LARGEST_ANSWER_BYTES:
                    raise ValueError("the answer is larger than any Hub's")
                yield part

        def close(self) -> None:
            body.close()

    response.stream = Bounded()


def _refuse_failure(response: Response) -> None:
    from huggingface_hub.utils import hf_raise_for_status  # type: ignore[attr-defined]

    if response.is_error:
        response.read()
        hf_raise_for_status(response)


def _begins_at(response: Response, offset: int) -> int:
    """The byte the body begins with."""
    if response.status_code != 206:
        return 0
    told = response.headers.get("content-range", "")
    start = told.removeprefix("bytes").strip().split("-")[0]
    return int(start) if start.isdigit() else offset


def _host(endpoint: str) -> str:
    """Host and port of an address, without the user and password that it may hold."""
    return endpoint.split("://")[-1].split("/")[0].rpartition("@")[2]


def _proxy(endpoint: str) -> str | None:
    """The proxy that the environment names for an address; None where it is asked directly."""
    at, proxies = urlsplit(endpoint), getproxies()
    proxy = proxies.get(at.scheme) or proxies.get("all")
    return None if proxy is None or proxy_bypass(at.netloc.rpartition("@")[2]) else proxy


def _useless_proxy() -> UsageError:
    named = ", ".join(f"{name.upper()}_PROXY" for name in sorted(getproxies()) if name != "no")
    return UsageError(
        f"a proxy of the environment cannot be used ({named})",
        "Proxies are written http://HOST:PORT; one of the kind socks5:// needs the package socksio "
        "beside this program. Correct the variable or unset it.",
    )


def _is_of_the_question(error: Exception) -> bool:
    """Whether a name or an address was wrong, and nothing was answered at all."""
    from httpx2 import InvalidURL
    from huggingface_hub.errors import HFValidationError

    return isinstance(error, HFValidationError | InvalidURL) or "proxy" in str(error).lower()


def _beginning(path: Path) -> bytes:
    """As much of a file as an index may have, and a byte more."""
    with path.open("rb") as file:
        return file.read(answer.LARGEST_INDEX_BYTES + 1)


class Transient(Exception):
    """Something that may pass: asking again is worth it."""

    def __init__(
        self, message: str, wait_seconds: float | None = None, *, refused: bool = False
    ) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds
        """What the server asks to wait (Retry-After); None when it did not say."""

        self.refused = refused
        """Whether access was refused: an address that expired is renewed by asking once more."""


class Unreachable(DownloadError):
    """The Hub cannot be asked: no network, no server, or HF_HUB_OFFLINE."""


def retry_after(error: Exception) -> float | None:
    """Seconds the server asks to wait, given as seconds or as a date."""
    response = getattr(error, "response", None)
    told = None if response is None else response.headers.get("retry-after")
    if told is None:
        return None
    if told.strip().isdigit():
        return float(told)
    with suppress(ValueError):
        return max(0.0, (parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds())
    return None


def reason(error: Exception, status: int | None) -> str:
    """Why it failed, short."""
    if status is not None:
        return f"busy ({status})"
    said = redacted(str(error)).strip()
    return said.splitlines()[0][:160] if said else type(error).__name__
