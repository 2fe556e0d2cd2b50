"""Which files of a repository are wanted. Pure: it knows nothing of networks and disks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from cems_tui.errors import DownloadError, WeightsError

INDEX = "model_index.json"
MOST_FILES = 20_000
"""Of one repository; no model has so many."""
PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl", ".pickle")
"""Endings of files that Python's pickle writes."""

WHY_NO_PICKLE = (
    "reading a pickle runs whatever code its author put into it; a pull request of the repository "
    "often has safetensors (`--revision refs/pr/N`), or convert a copy you trust: "
    "`pipeline.save_pretrained(folder, safe_serialization=True)`, then "
    "`cems import folder --name NAME`."
)

_COMMIT = re.compile(r"[0-9a-f]{40}")
_TEXTS = (".json", ".txt", ".model", ".spm", ".jinja")
_FOREIGN = ("flax_model", "openvino", "tf_model")
_HALF = ("fp16", "bf16")
"""Variants of half the bytes."""

_OPTIONAL = frozenset({"safety_checker", "feature_extractor", "image_encoder"})
"""Components that a picture is drawn without."""

_TOKENIZER_SETTINGS = frozenset(
    {
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "chat_template.json",
        "chat_template.jinja",
    }
)
"""What a tokenizer has beside its words."""

_WEIGHTS = re.compile(
    r"(?P<base>[^.]+?)(?:\.(?P<variant>[A-Za-z]\w*))?(?P<shard>-\d{5}-of-\d{5})?"
    r"(?:\.(?P<late>[A-Za-z]\w*))?\.safetensors"
)
_SHARDS = re.compile(r"-\d{5}-of-(\d{5})")
_SHARD_INDEX = re.compile(r".*\.index(?:\.(?P<variant>\w+))?\.json")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as the Hub lists it."""

    path: str
    """Relative to the repository, with slashes."""

    size: int
    """Bytes."""

    sha256: str | None = None
    """Hex; None for small files that are kept in git itself."""

    git_sha1: str | None = None
    """Git's blob id; None when the Hub did not tell."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository of the Hub at one commit."""

    repo: str
    """`org/name`."""

    commit: str
    """40 hex digits."""

    files: tuple[RemoteFile, ...]
    licence: str | None = None
    gated: bool = False
    """Whether its authors ask for conditions to be accepted on the Hub."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The files of a repository that make the model, and what is worth saying about them."""

    files: tuple[RemoteFile, ...]
    notes: tuple[str, ...] = ()

    @property
    def total_bytes(self) -> int:
        return sum(file.size for file in self.files)


def wanted(repository: Repository, index: Mapping[str, Any] | None) -> Selection:
    """The configs, tokenizers and safetensors of a model, each weight once.

    A component that has half-precision files (fp16, else bf16) is taken in those, else in its
    plain ones.

    Args:
        index: the content of its model_index.json; None when it has none (a support model).

    Raises:
        WeightsError: a path would leave the folder, or weights come as pickles only.
    """
    for file in repository.files:
        refuse_unsafe(file.path, repository.repo)
    if index is None:
        return _support_model(repository)
    chosen = [file for file in repository.files if file.path == INDEX]
    notes: list[str] = []
    for name in component_names(index):
        inside = [file for file in repository.files if file.path.startswith(f"{name}/")]
        try:
            chosen += _component(inside, f"{repository.repo}/{name}")
        except WeightsError:
            if name not in _OPTIONAL:
                raise
            notes.append(f"{name} is left out: it comes as a pickle only")
    return Selection(tuple(chosen), tuple(notes))


def picked(repository: Repository, patterns: Iterable[str], *, pickles: bool) -> Selection:
    """The files that the catalog names; a pattern takes the first, by name, that fits it.

    Args:
        pickles: whether they may be pickles: those are converted, never read here.

    Raises:
        WeightsError: one is not there, is a pickle, or would leave the folder.
    """
    chosen: list[RemoteFile] = []
    for pattern in patterns:
        fitting = sorted(f.path for f in repository.files if fnmatchcase(f.path, pattern))
        if not fitting:
            raise WeightsError(
                f"{repository.repo} holds no {pattern}",
                "Its authors changed it; another revision may have it (`--revision SHA`).",
            )
        refuse_unsafe(fitting[0], repository.repo)
        if not pickles and _is_pickled_weights(fitting[0]):
            raise WeightsError(f"{fitting[0]} is a pickle", _sentence(WHY_NO_PICKLE))
        chosen += [f for f in repository.files if f.path == fitting[0] and f not in chosen]
    return Selection(tuple(chosen))


def component_names(index: Mapping[str, Any]) -> list[str]:
    """The components a model_index.json names a class for, in its order."""
    return [
        name
        for name, value in index.items()
        if not name.startswith("_")
        and isinstance(value, list)
        and len(value) == 2
        and all(isinstance(v, str) for v in value)
    ]


def missing_parts(selection: Selection, index: Mapping[str, Any]) -> list[str]:
    """Components of which weights, words, or all files, are not among those selected."""
    paths = [file.path for file in selection.files]
    return [
        name
        for name in component_names(index)
        if name not in _OPTIONAL
        and not _is_whole(
            [path for path in paths if path.startswith(f"{name}/")], name, index[name][1]
        )
    ]


def _is_whole(paths: list[str], component: str, class_name: str) -> bool:
    """Whether a component has files: a tokenizer its words, a network all its weights."""
    if "Tokenizer" in class_name and not any(
        PurePosixPath(path).name not in _TOKENIZER_SETTINGS for path in paths
    ):
        return False
    weights = [path for path in paths if path.endswith(".safetensors")]
    if f"{component}/config.json" in paths and not weights:
        return False
    totals = {int(found[1]) for path in weights if (found := _SHARDS.search(path))}
    return bool(paths) and (not totals or totals == {len(weights)})


def is_commit(text: object) -> bool:
    """Whether it is a commit of the Hub: 40 hex digits, in lower case."""
    return isinstance(text, str) and _COMMIT.fullmatch(text) is not None


def checked_commit(text: object, repo: str) -> str:
    """The commit, which is going to name a folder.

    Raises:
        DownloadError: it is none.
    """
    if not isinstance(text, str) or not is_commit(text):
        raise DownloadError(
            f"the Hub tells {str(text)[:80]!r} for the commit of {repo}, which is none",
            "A commit is 40 hex digits. Do not use this Hub (HF_ENDPOINT says which).",
        )
    return text


def refuse_unsafe(path: str, repo: str) -> None:
    """Refuse a listed path that would be written outside the model's folder.

    Raises:
        WeightsError: it is absolute, goes up, or is no plain path.
    """
    parts = PurePosixPath(path).parts
    if (
        not parts
        or path.startswith("/")
        or any(part in ("..", ".") for part in path.split("/"))
        or "\\" in path
        or any(ord(letter) < 0x20 for letter in path)
    ):
        raise WeightsError(
            f"{repo} lists the file {path!r}, which would be written outside its folder",
            "Do not use this repository.",
        )


def _support_model(repository: Repository) -> Selection:
    chosen: list[RemoteFile] = []
    folders = sorted({str(PurePosixPath(file.path).parent) for file in repository.files})
    for folder in folders:
        inside = [f for f in repository.files if str(PurePosixPath(f.path).parent) == folder]
        if folder == "." or any(file.path.endswith(".safetensors") for file in inside):
            chosen += _component(inside, repository.repo)
    if not any(file.path.endswith(".safetensors") for file in chosen):
        raise WeightsError(
            f"{repository.repo} holds no safetensors file", "Pull a repository that does."
        )
    return Selection(tuple(chosen), ("it is no pipeline: a support model, without functions",))


def _component(files: list[RemoteFile], where: str) -> list[RemoteFile]:
    """The texts and the one set of weights of a component's folder."""
    kept = [file for file in files if not _is_foreign(file.path)]
    weights = {f: variant_of(f.path) for f in kept if f.path.endswith(".safetensors")}
    variant = _preferred(weights.values())
    if not weights and any(_is_pickled_weights(file.path) for file in files):
        raise WeightsError(f"the weights in {where} are pickles only", _sentence(WHY_NO_PICKLE))
    return [
        file
        for file in kept
        if (file in weights and weights[file] == variant)
        or (file not in weights and _is_text(file.path, variant))
    ]


def _preferred(variants: Iterable[str | None]) -> str | None:
    """fp16 where there is one, else bf16, else plain, else the first by name."""
    there = set(variants)
    for variant in _HALF:
        if variant in there:
            return variant
    if None in there or not there:
        return None
    return min(name for name in there if name is not None)


def variant_of(path: str) -> str | None:
    """`fp16` of `model.fp16.safetensors` (or of a shard of it); None for plain weights."""
    match = _WEIGHTS.fullmatch(PurePosixPath(path).name)
    return None if match is None else match["variant"] or match["late"]


def _is_text(path: str, variant: str | None) -> bool:
    name = PurePosixPath(path).name
    if name.startswith(".") or not name.endswith(_TEXTS):
        return False
    if index := _SHARD_INDEX.fullmatch(name):
        # `….safetensors.index.json` and `….safetensors.index.fp16.json`
        return ".safetensors." in name and index["variant"] == variant
    return True


def _is_foreign(path: str) -> bool:
    return PurePosixPath(path).name.startswith(_FOREIGN)


def _is_pickled_weights(path: str) -> bool:
    name = PurePosixPath(path).name
    return name.endswith(PICKLES) and name != "training_args.bin"


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
