"""Pickles become safetensors in a child process that reads tensors only, or are refused."""

from __future__ import annotations

import io
import os
import pickle
import signal
import threading
import time
import zipfile
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from cems_tui.errors import Interrupted, StorageError, WeightsError
from cems_tui.models.convert import PickleConverter, UnexpectedLayout, convert, table_of
from cems_tui.models.ledger import Ledger
from cems_tui.models.target import CatalogEntry
from tests.models.fake_hub import FakeHub
from tests.models.hub_fixtures import Desk, desk, online
from tests.patience import soon

__all__ = ["desk", "online"]


def weights() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        "body.weight": torch.randn(5, 3, generator=generator),
        "body.count": torch.tensor(7),
        "head.weight": torch.randn(2, 5, generator=generator).half(),
    }


def saved(path: Path, value: object, *, old: bool = False) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=not old)
    return path


class Burglar:
    """A pickle of it creates a file when it is read without care."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self._mark}",)


def assert_same(found: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


@pytest.mark.parametrize("old", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("wrapper", [None, "params", "state_dict"])
def test_every_layout_that_trainers_write_becomes_the_same_tensors(
    tmp_path: Path, wrapper: str | None, old: bool
) -> None:
    value: Any = weights() if wrapper is None else {wrapper: weights(), "epoch": 3}
    source = saved(tmp_path / "net.pth", value, old=old)
    target = tmp_path / "net.safetensors"
    assert convert(source, target).kind == "done"
    assert_same(load_file(target), weights())


def test_the_child_is_a_process_of_its_own_and_leaves_one_file(tmp_path: Path) -> None:
    source = saved(tmp_path / "net.pth", {"params": weights()})
    target = tmp_path / "net.safetensors"
    PickleConverter()(source, target)
    assert_same(load_file(target), weights())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.pth", "net.safetensors"]


@pytest.mark.parametrize("old", [False, True], ids=["zip", "legacy"])
def test_a_malicious_pickle_is_refused_and_nothing_of_it_runs(tmp_path: Path, old: bool) -> None:
    mark = tmp_path / "burgled"
    source = saved(tmp_path / "net.pth", {**weights(), "x": Burglar(mark)}, old=old)
    report = convert(source, tmp_path / "net.safetensors")
    assert report.kind == "refused"
    assert "it asks for posix.system" in report.text
    assert not mark.exists()
    torch.load(source, weights_only=False)  # the burglar is a real one
    assert mark.exists()


def test_a_malicious_pickle_is_gone_afterwards_with_exit_code_3(tmp_path: Path) -> None:
    mark = tmp_path / "burgled"
    folder = tmp_path / "folder"
    folder.mkdir()
    source = folder / "net.pth"
    source.write_bytes(pickle.dumps(Burglar(mark)))
    with pytest.raises(WeightsError, match="another pickle than torch's") as caught:
        PickleConverter()(source, folder / "net.safetensors")
    assert caught.value.exit_code == 3
    assert "removed" in caught.value.hint
    assert list(folder.iterdir()) == []
    assert not mark.exists()


def test_views_of_one_storage_become_tensors_of_their_own(tmp_path: Path) -> None:
    whole = torch.arange(12.0).reshape(3, 4)
    tied = {"a": whole, "b": whole, "c": whole.t(), "d": whole[:, 1]}
    source = saved(tmp_path / "net.pt", tied)
    assert convert(source, tmp_path / "net.safetensors").kind == "done"
    assert_same(load_file(tmp_path / "net.safetensors"), tied)


def test_a_small_file_that_claims_to_be_huge_is_refused(tmp_path: Path) -> None:
    source = saved(tmp_path / "net.pt", {"a": torch.zeros(1).expand(10**12)})
    report = convert(source, tmp_path / "net.safetensors")
    assert report.kind == "unexpected"
    assert "4,000,000,000,000" in report.text


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([1, 2], "a list"),
        ({}, "holds nothing"),
        ({"a": torch.zeros(2), "b": 3}, "'b' is a int"),
        ({"params": weights(), "state_dict": {"a": [1]}}, None),
        ({"state_dict": {"a": [1]}}, "'a' is a list"),
        ({1: torch.zeros(2)}, "1 is a Tensor"),
        ({"a": torch.zeros(2, 2).to_sparse()}, "not a dense tensor"),
        ({"a": {"b": torch.zeros(2)}}, "'a' is a dict"),
    ],
)
def test_an_unexpected_layout_is_named(tmp_path: Path, value: object, says: str | None) -> None:
    source = saved(tmp_path / "net.pth", value)
    report = convert(source, tmp_path / "net.safetensors")
    if says is None:
        assert report.kind == "done"
        return
    assert report.kind == "unexpected"
    assert says in report.text
    assert not (tmp_path / "net.safetensors").exists()


names = st.text(st.characters(categories=("L", "N"), include_characters="._"), min_size=1)


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(names, st.integers(0, 3), min_size=1), st.booleans())
def test_a_table_keeps_its_names_but_for_what_parallel_training_put_before_all(
    sizes: dict[str, int], parallel: bool
) -> None:
    table = {f"module.{name}" if parallel else name: torch.zeros(n) for name, n in sizes.items()}
    found = table_of(table)
    stripped = all(name.startswith("module.") for name in table)
    expected = {name.removeprefix("module.") if stripped else name for name in table}
    assert set(found) == expected
    with pytest.raises(UnexpectedLayout):
        table_of({**table, "extra": 1})


@pytest.mark.parametrize("keep", [0, 1, 100, -200])
@pytest.mark.parametrize("old", [False, True], ids=["zip", "legacy"])
def test_a_cut_file_cannot_be_read(tmp_path: Path, keep: int, old: bool) -> None:
    source = saved(tmp_path / "net.pth", weights(), old=old)
    source.write_bytes(source.read_bytes()[:keep])
    report = convert(source, tmp_path / "net.safetensors")
    assert report.kind in ("damaged", "refused")
    assert "cannot be read" in report.text or "or damaged" in report.text
    assert not (tmp_path / "net.safetensors").exists()


def test_a_web_page_or_another_archive_is_no_weights(tmp_path: Path) -> None:
    source = tmp_path / "net.pth"
    source.write_bytes(b"<html>Sorry</html>")
    assert "or damaged" in convert(source, tmp_path / "net.safetensors").text
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("readme.txt", "no weights")
    source.write_bytes(archive.getvalue())
    assert convert(source, tmp_path / "net.safetensors").kind == "damaged"


def test_torchscript_is_not_read(tmp_path: Path) -> None:
    source = tmp_path / "net.pt"
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(source))
    assert convert(source, tmp_path / "net.safetensors").kind == "refused"


def test_a_disk_that_refuses_keeps_what_was_fetched(tmp_path: Path) -> None:
    source = saved(tmp_path / "net.pth", weights())
    with pytest.raises(StorageError):
        PickleConverter()(source, tmp_path / "nowhere" / "net.safetensors")
    assert source.exists()


def killed_child(connection: Connection, source: Path, target: Path) -> None:
    target.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)


def hanging_child(connection: Connection, source: Path, target: Path) -> None:
    target.write_bytes(b"half")
    time.sleep(60)


def lying_child(connection: Connection, source: Path, target: Path) -> None:
    from cems_tui.models.convert import Report

    target.write_bytes(b"half")
    connection.send(Report("done"))


@pytest.mark.parametrize(
    ("child", "says"),
    [(killed_child, "exit -9"), (hanging_child, "within"), (lying_child, "damaged")],
)
def test_a_child_that_dies_hangs_or_lies_leaves_the_pickle_and_nothing_else(
    tmp_path: Path, child: Any, says: str
) -> None:
    source = saved(tmp_path / "net.pth", weights())
    limit = 6.0 if child is hanging_child else 120.0
    with pytest.raises(WeightsError, match=says):
        PickleConverter(timeout_seconds=limit, child=child)(source, tmp_path / "net.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["net.pth"]


def test_stopping_takes_effect_at_once(tmp_path: Path) -> None:
    source = saved(tmp_path / "net.pth", weights())
    stopped = threading.Event()
    threading.Timer(0.3, stopped.set).start()
    began = time.monotonic()
    with pytest.raises(Interrupted):
        PickleConverter(stopped.is_set, child=hanging_child)(source, tmp_path / "x.safetensors")
    assert time.monotonic() - began < soon(2)
    assert source.exists()


SCORER = CatalogEntry("net", "org/Net", "mit", files=("net.pth",), convert=True)


def serve(desk: Desk, data: bytes) -> FakeHub:
    desk.hub.repos["org/Net"] = {"net.pth": data, "README.md": b"# Net"}
    return desk.hub


def test_a_model_published_as_a_pickle_is_pulled_converted_and_held_to_its_pickle(
    desk: Desk, tmp_path: Path
) -> None:
    source = saved(tmp_path / "net.pth", {"params": weights()})
    hub = serve(desk, source.read_bytes())
    installed = converting(desk).pull(wish())
    assert [path.name for path in installed.path.iterdir()] == ["net.safetensors"]
    assert_same(load_file(installed.path / "net.safetensors"), weights())
    entry = Ledger.read(desk.models).entries["net"]
    assert entry.installed
    assert [file.path for file in entry.files] == ["net.safetensors"]
    asked = len(hub.asked)
    assert converting(desk).pull(wish()).already
    assert len(hub.asked) == asked


def test_a_malicious_repository_is_never_installed(desk: Desk, tmp_path: Path) -> None:
    mark = tmp_path / "burgled"
    serve(desk, saved(tmp_path / "net.pth", {"params": Burglar(mark)}).read_bytes())
    with pytest.raises(WeightsError, match="holds more than tensors"):
        converting(desk).pull(wish())
    assert not mark.exists()
    ledger = Ledger.read(desk.models)
    assert not ledger.entries["net"].installed
    assert not [path for path in desk.models.rglob("net.*") if path.suffix != ".json"]


def converting(desk: Desk) -> Any:
    puller = desk.puller()
    puller.known = {"net": SCORER}
    puller.converter = PickleConverter()
    return puller


def wish() -> Any:
    from cems_tui.models.target import PullRequest

    return PullRequest("net")
