"""Which files of a repository are wanted, what a model is called, how long is waited."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cems_tui.errors import UnknownName, UsageError, WeightsError
from cems_tui.models.hub.download import Patience
from cems_tui.models.ledger import Entry, Ledger, checked_name, chosen_name
from cems_tui.models.repository import RemoteFile, Repository, variant_of, wanted
from cems_tui.models.target import CatalogEntry, PullRequest, is_noncommercial, resolve

INDEX = {"_class_name": "X", "unet": ["diffusers", "U"], "te": ["transformers", "T"]}


def chosen(*paths: str, index: dict[str, object] | None = None) -> set[str]:
    files = tuple(RemoteFile(path, 1) for path in paths)
    found = wanted(Repository("org/x", "c" * 40, files), INDEX if index is None else index)
    return {file.path for file in found.files}


def test_a_component_is_taken_in_half_precision_where_there_is_one_and_plain_elsewhere() -> None:
    assert chosen(
        "unet/diffusion_pytorch_model.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/diffusion_pytorch_model.non_ema.safetensors",
        "te/model.safetensors",
    ) == {"unet/diffusion_pytorch_model.fp16.safetensors", "te/model.safetensors"}


def test_shards_come_whole_with_the_index_of_their_variant() -> None:
    half = {
        "unet/m.fp16-00001-of-00002.safetensors",
        "unet/m.fp16-00002-of-00002.safetensors",
        "unet/m.safetensors.index.fp16.json",
    }
    plain = {
        "unet/m-00001-of-00001.safetensors",
        "unet/m.safetensors.index.json",
        "unet/pytorch_model.bin.index.json",
    }
    assert chosen(*half, *plain) == half


@pytest.mark.parametrize(
    "path",
    [
        "unet/diffusion_pytorch_model.bin",
        "unet/model.ckpt",
        "unet/model.onnx",
        "unet/flax_model.msgpack",
        "unet/openvino_model.xml",
        "README.md",
        "whole.safetensors",
        "vae_1_0/diffusion_pytorch_model.safetensors",
        "unet/.hidden.json",
    ],
)
def test_what_is_no_part_of_the_pipeline_is_left(path: str) -> None:
    assert chosen("unet/m.safetensors", "te/m.safetensors", path) == {
        "unet/m.safetensors",
        "te/m.safetensors",
    }


def test_weights_that_are_pickles_only_are_refused_with_the_reason_and_the_way_out() -> None:
    with pytest.raises(WeightsError, match="pickles only") as refused:
        chosen("unet/diffusion_pytorch_model.bin", "te/m.safetensors")
    assert "runs whatever code" in refused.value.hint
    assert "safe_serialization" in refused.value.hint


def test_a_checker_that_is_a_pickle_is_left_out_and_said() -> None:
    index = {"unet": ["diffusers", "U"], "safety_checker": ["transformers", "S"]}
    files = (RemoteFile("unet/m.safetensors", 1), RemoteFile("safety_checker/p.bin", 1))
    found = wanted(Repository("org/x", "c" * 40, files), index)
    assert [file.path for file in found.files] == ["unet/m.safetensors"]
    assert "safety_checker" in found.notes[0]


def test_a_support_model_is_taken_without_an_index() -> None:
    files = tuple(
        RemoteFile(path, 1)
        for path in ("config.json", "model.safetensors", "pytorch_model.bin", "tokenizer.json")
    )
    found = wanted(Repository("org/clip", "c" * 40, files), None)
    assert {f.path for f in found.files} == {"config.json", "model.safetensors", "tokenizer.json"}


@pytest.mark.parametrize("path", ["../x.json", "/etc/x.json", "a/../../x", "a\\b", "a\nb", "./a"])
def test_a_path_that_would_leave_the_folder_is_refused(path: str) -> None:
    with pytest.raises(WeightsError, match="outside"):
        chosen("unet/m.safetensors", path)


@given(st.sampled_from(["model", "diffusion_pytorch_model", "a-b_c"]), st.booleans(), st.booleans())
def test_the_variant_of_a_weight_file_is_read_from_its_name(
    base: str, half: bool, shard: bool
) -> None:
    name = base + ".fp16" * half + "-00001-of-00002" * shard + ".safetensors"
    assert variant_of(f"unet/{name}") == ("fp16" if half else None)


def test_a_repository_is_named_after_its_last_part_unless_that_is_taken() -> None:
    assert chosen_name("Org/Tiny", None, ()) == "tiny"
    assert chosen_name("Org/Tiny", None, ("tiny",)) == "org--tiny"
    assert chosen_name("Org/Starter-x", None, ()) == "org--starter-x"
    assert chosen_name("Org/Tiny", "mine", ("tiny",)) == "mine"
    with pytest.raises(UsageError):
        chosen_name("Org/Tiny", None, ("tiny", "org--tiny"))
    with pytest.raises(UsageError):
        chosen_name("Org/Tiny", "tiny", ("tiny",))


@pytest.mark.parametrize(
    "name", ["", "a b", "a@4", "a/b", "..", ".a", "-a", "a,b", "starter-mine", "a\x1b", "a" * 101]
)
def test_a_name_that_would_mislead_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        checked_name(name)


def test_a_name_may_be_of_any_script() -> None:
    assert checked_name("モデル") == "モデル"
    assert checked_name("e\u0301") == "é"


@pytest.mark.parametrize(
    ("licence", "asks"),
    [
        ("Stability AI Non-Commercial Research Community License", True),
        ("cc-by-nc-4.0", True),
        ("sai-nc-community", True),
        ("flux-1-dev-non-commercial-license", True),
        ("openrail++", False),
        ("apache-2.0", False),
        ("licence", False),
        (None, False),
    ],
)
def test_a_noncommercial_licence_is_known_by_its_name(licence: str | None, asks: bool) -> None:
    assert is_noncommercial(licence) is asks


def _ledger(*entries: Entry) -> Ledger:
    from pathlib import Path

    return Ledger(Path("/nowhere"), {entry.name: entry for entry in entries})


KNOWN = {
    "sd-turbo": CatalogEntry("sd-turbo", "stabilityai/sd-turbo", "x"),
    "nowhere": CatalogEntry("nowhere", None, "x"),
    "starter-base": CatalogEntry("starter-base", None, "x", in_pack=True),
}


def test_a_catalog_name_its_function_and_its_repository_mean_the_same_model() -> None:
    for name in ("sd-turbo", "sd-turbo@1", "stabilityai/sd-turbo"):
        target = resolve(PullRequest(name), KNOWN, _ledger())
        assert (target.name, target.repo) == ("sd-turbo", "stabilityai/sd-turbo")


def test_a_model_that_was_pulled_is_held_to_its_commit_until_told_otherwise() -> None:
    ledger = _ledger(Entry("tiny", repo="org/Tiny", commit="c" * 40))
    held = resolve(PullRequest("org/Tiny"), KNOWN, ledger)
    assert (held.name, held.revision, held.pinned) == ("tiny", "c" * 40, True)
    moved = resolve(PullRequest("tiny", revision="main"), KNOWN, ledger)
    assert (moved.name, moved.revision, moved.pinned) == ("tiny", "main", False)


def test_two_repositories_of_one_name_are_told_apart() -> None:
    ledger = _ledger(Entry("tiny", repo="one/Tiny", commit="c" * 40))
    assert resolve(PullRequest("two/Tiny"), KNOWN, ledger).name == "two--tiny"


@pytest.mark.parametrize("name", ["starter-base", "nowhere", "a/b/c"])
def test_what_cannot_be_pulled_says_so(name: str) -> None:
    with pytest.raises(UsageError):
        resolve(PullRequest(name), KNOWN, _ledger())


def test_a_name_that_nothing_has_suggests_near_ones() -> None:
    with pytest.raises(UnknownName, match="sd-turbi") as refused:
        resolve(PullRequest("sd-turbi"), KNOWN, _ledger())
    assert "sd-turbo" in refused.value.hint


@given(st.integers(1, 20), st.none() | st.floats(0, 10_000))
def test_patience_ends_and_never_waits_longer_than_it_may(
    failures: int, asked: float | None
) -> None:
    patience = Patience()
    seconds = patience.wait_seconds(failures, asked)
    if failures >= patience.tries or (asked or 0) > patience.longest_asked_seconds:
        assert seconds is None
    else:
        assert seconds is not None
        assert seconds == asked or (asked is None and seconds <= patience.longest_wait_seconds)
    refused = patience.wait_seconds(failures, None, refused=True)
    assert (refused is None) == (failures >= patience.refused_tries)
