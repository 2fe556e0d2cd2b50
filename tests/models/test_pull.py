"""Pulling over a real socket: every way a line, a server, a disk or a user can spoil it."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from cems_tui.catalog import catalog
from cems_tui.errors import DownloadError, Interrupted, StorageError, UsageError, WeightsError
from cems_tui.locks import FileLock
from cems_tui.models import install
from cems_tui.models.events import Installed, ModelEvent, Progressed, Waited
from cems_tui.models.hub.client import Unreachable
from cems_tui.models.ledger import Ledger
from cems_tui.models.plan import Places
from cems_tui.models.target import PullRequest
from cems_tui.profile import Profile
from tests.models.fake_hub import Fault, git_sha1, in_seconds
from tests.models.hub_fixtures import UNET, WANTED, Desk, desk, noise, online, pipeline_files
from tests.patience import PATIENCE, soon, until

__all__ = ["desk", "online"]

SIZE = len(pipeline_files()[UNET])
MIDDLE = 300_000


def test_a_pull_installs_what_is_wanted_records_it_and_joins_the_catalog(desk: Desk) -> None:
    installed = desk.pull()
    desk.assert_whole(installed)
    commit = desk.hub.commit("org/Tiny")
    assert installed.path == desk.models / "org--Tiny" / commit
    entry = desk.entry()
    assert entry.commit == commit
    assert {file.path for file in entry.files} == WANTED
    assert all(file.sha256 for file in entry.files)
    function = Profile.current().catalog()["tiny@20"]
    assert function.installed
    assert (function.width, function.guidance) == (64, 7.5)
    assert function.model.licence == "mit"


def test_the_recorded_digest_is_that_of_the_files(desk: Desk) -> None:
    from cems_tui.generation.networks import weights_digest

    installed = desk.pull()
    assert desk.entry().digest == weights_digest(installed.path)


def test_steps_name_guidance_and_size_are_the_user_s(desk: Desk) -> None:
    desk.pull(steps=(4, 20), rename="mine", guidance=0.0, size=(128, 64))
    functions = Profile.current().catalog()
    assert [f.name for f in functions.of_model("mine")] == ["mine@4", "mine@20"]
    assert functions["mine@4"].guidance == 0
    assert (functions["mine@4"].width, functions["mine@4"].height) == (128, 64)


def test_a_plan_writes_nothing(desk: Desk) -> None:
    plan = desk.puller().plan(PullRequest("org/Tiny"))
    assert {file.path for file in plan.files} == WANTED
    assert plan.download_bytes == plan.total_bytes > SIZE
    assert not desk.models.exists()


def test_a_second_pull_asks_the_hub_and_fetches_nothing(desk: Desk) -> None:
    desk.pull()
    asked = len(desk.hub.asked)
    again = desk.pull("tiny")
    assert again.already
    assert len(desk.hub.asked) == asked


@pytest.mark.parametrize(
    "fault",
    [
        Fault(drop_after=MIDDLE),
        Fault(status=503),
        Fault(status=429, retry_after="0"),
        Fault(status=429, retry_after=in_seconds(0)),
        Fault(status=500),
        Fault(status=403),
        Fault(status=416),
        Fault(shorten=1000),
        Fault(drop_after=0),
    ],
)
def test_what_passes_is_waited_for_and_gone_on_from_the_last_byte(desk: Desk, fault: Fault) -> None:
    desk.hub.fail(UNET, fault)
    desk.assert_whole(desk.pull())
    assert any(isinstance(event, Waited) for event in desk.events)
    assert desk.hub.bytes_sent(UNET) <= SIZE + 64 * 1024 * 2


def test_a_range_that_is_refused_once_costs_no_byte(desk: Desk) -> None:
    desk.hub.fail(UNET, Fault(drop_after=MIDDLE))
    desk.hub.fail(UNET, Fault(status=416))
    desk.assert_whole(desk.pull())
    assert desk.hub.bytes_sent(UNET) <= SIZE + 64 * 1024


def test_a_proxy_that_ignores_ranges_sends_all_again_and_nothing_is_written_twice(
    desk: Desk,
) -> None:
    desk.hub.fail(UNET, Fault(drop_after=MIDDLE))
    desk.hub.fail(UNET, Fault(ignore_range=True))
    desk.assert_whole(desk.pull())
    assert [asked.status for asked in desk.hub.asked if asked.path == UNET] == [200, 200]


def test_a_file_of_the_right_size_with_other_content_is_fetched_once_more(desk: Desk) -> None:
    desk.hub.fail(UNET, Fault(corrupt=True))
    desk.assert_whole(desk.pull())


@pytest.mark.parametrize("path", [UNET, "tokenizer/merges.txt"])
def test_a_file_that_stays_wrong_is_never_installed(desk: Desk, path: str) -> None:
    desk.hub.fail(path, Fault(corrupt=True, always=True))
    with pytest.raises(DownloadError, match=r"not the file that the Hub lists") as failed:
        desk.pull()
    assert failed.value.exit_code == 3
    desk.assert_not_installed()


def test_a_corrupted_beginning_on_the_disk_is_noticed(desk: Desk) -> None:
    desk.hub.fail(UNET, Fault(drop_after=MIDDLE))
    desk.hub.fail(UNET, Fault(status=404, code="EntryNotFound"))
    with pytest.raises(DownloadError):
        desk.pull()
    (part,) = (part for part in desk.models.rglob("*.part") if part.stat().st_size >= 100_000)
    data = bytearray(part.read_bytes())
    data[100] ^= 1
    part.write_bytes(data)
    desk.assert_whole(desk.pull())


def test_a_beginning_that_is_too_long_is_thrown_away(desk: Desk) -> None:
    target = desk.models / ".partial" / "org--Tiny" / desk.hub.commit("org/Tiny") / UNET
    target.parent.mkdir(parents=True)
    target.with_name(target.name + ".part").write_bytes(noise(SIZE + 10))
    desk.assert_whole(desk.pull())


def test_a_server_that_has_less_than_it_lists_is_given_up_on(desk: Desk) -> None:
    desk.hub.fail(UNET, Fault(shorten=1000, always=True))
    with pytest.raises(DownloadError):
        desk.pull()
    assert 416 in [asked.status for asked in desk.hub.asked]
    desk.assert_not_installed()


def test_a_failed_pull_goes_on_where_it_stopped(desk: Desk) -> None:
    desk.hub.fail(UNET, Fault(status=404, code="EntryNotFound"))
    with pytest.raises(DownloadError, match="not on the Hub"):
        desk.pull()
    desk.assert_not_installed()
    kept = {p.relative_to(desk.models / ".partial").parts[2:] for p in _files(desk.models)}
    sent = len(desk.hub.asked)
    desk.assert_whole(desk.pull("tiny"))
    again = {tuple(asked.path.split("/")) for asked in desk.hub.asked[sent:]}
    assert again.isdisjoint(kept)


def _files(models: Path) -> list[Path]:
    """What an interrupted pull has whole."""
    found = (models / ".partial").rglob("*")
    return [path for path in found if path.is_file() and path.suffix != ".part"]


def test_a_dead_server_ends_in_one_clear_error(desk: Desk) -> None:
    desk.hub.fail("/api/org/Tiny", Fault(status=503, always=True))
    with pytest.raises(Unreachable) as failed:
        desk.pull()
    assert failed.value.exit_code == 3
    assert "503" in str(failed.value)


def test_a_long_retry_after_is_told_not_waited_for(desk: Desk) -> None:
    desk.hub.fail(UNET, Fault(status=429, retry_after="4000", always=True))
    began = time.monotonic()
    with pytest.raises(DownloadError) as failed:
        desk.pull()
    assert time.monotonic() - began < soon(10)
    assert "4,000 s" in failed.value.hint


def test_without_a_network_an_installed_model_stays_and_another_is_refused(desk: Desk) -> None:
    installed = desk.pull()
    desk.hub.die()
    assert desk.pull().path == installed.path
    with pytest.raises(Unreachable):
        desk.pull("org/Other")


def test_offline_is_said(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DownloadError, match="HF_HUB_OFFLINE"):
        desk.pull()


@pytest.mark.parametrize("repo", ["org/Nothing", "org/Secret"])
def test_a_model_that_is_not_there_and_a_private_one_look_the_same(desk: Desk, repo: str) -> None:
    desk.hub.repos["org/Secret"] = pipeline_files()
    desk.hub.private.add("org/Secret")
    with pytest.raises(DownloadError, match="no model") as failed:
        desk.pull(repo)
    assert "hf auth login" in failed.value.hint


def test_a_private_model_is_pulled_with_the_hub_s_own_login(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.hub.private.add("org/Tiny")
    monkeypatch.setenv("HF_TOKEN", desk.hub.token)
    desk.assert_whole(desk.pull())
    assert desk.hub.storage_headers
    for headers in desk.hub.storage_headers:  # another server than the Hub's
        assert not any(desk.hub.token in value for value in headers.values())
    written = [p.read_bytes() for p in desk.models.parent.rglob("*") if p.is_file()]
    assert not any(desk.hub.token.encode() in data for data in written)


def test_a_gated_model_says_what_to_accept_and_where(desk: Desk) -> None:
    desk.hub.gated.add("org/Tiny")
    with pytest.raises(DownloadError, match="gated") as failed:
        desk.pull()
    assert f"{desk.hub.url}/org/Tiny" in failed.value.hint


def test_a_noncommercial_licence_is_asked_for_once_and_remembered(desk: Desk) -> None:
    desk.hub.licence = "cc-by-nc-4.0"
    desk.agrees = False
    with pytest.raises(UsageError, match="not agreed"):
        desk.pull()
    desk.assert_not_installed()
    desk.agrees = True
    desk.hub.fail(UNET, Fault(status=404, code="EntryNotFound"))
    with pytest.raises(DownloadError):
        desk.pull()
    desk.pull()
    assert len(desk.asked) == 2
    assert "cc-by-nc-4.0" in desk.asked[0]


def test_a_repository_that_changed_under_its_commit_is_refused(desk: Desk) -> None:
    desk.hub.shas["org/Tiny"] = "a" * 40
    installed = desk.pull()
    before = (installed.path / UNET).read_bytes()
    desk.hub.repos["org/Tiny"][UNET] = noise(SIZE, 99)
    with pytest.raises(DownloadError, match="changed under the pinned revision") as failed:
        desk.pull()
    assert "--revision main" in failed.value.hint
    assert (installed.path / UNET).read_bytes() == before
    assert Profile.current().catalog()["tiny@20"].installed


def test_a_pinned_commit_that_is_gone_is_said_and_main_can_be_taken(desk: Desk) -> None:
    old = desk.pull()
    desk.hub.repos["org/Tiny"][UNET] = noise(SIZE, 99)
    with pytest.raises(DownloadError, match="pinned revision"):
        desk.pull()
    new = desk.pull(revision="main")
    desk.assert_whole(new)
    assert new.path != old.path
    assert not old.path.exists()
    assert desk.entry().commit == desk.hub.commit("org/Tiny")


def test_a_new_revision_that_fails_leaves_the_old_one_installed(desk: Desk) -> None:
    old = desk.pull()
    desk.hub.repos["org/Tiny"][UNET] = noise(SIZE, 99)
    desk.hub.fail(UNET, Fault(status=404, code="EntryNotFound"))
    with pytest.raises(DownloadError):
        desk.pull(revision="main")
    assert Profile.current().catalog()["tiny@20"].model.path == old.path


def test_a_revision_that_is_not_there_is_said(desk: Desk) -> None:
    with pytest.raises(DownloadError, match="revision"):
        desk.pull(revision="b" * 40)


def test_a_short_disk_is_refused_before_the_first_byte(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cems_tui.models.plan.free_bytes", lambda folder: 1000)
    with pytest.raises(StorageError, match="needs"):
        desk.pull()
    assert desk.hub.bytes_sent(UNET) == 0


def test_a_disk_that_becomes_full_keeps_what_was_fetched(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource
    import signal

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIDDLE, hard))
    try:
        with pytest.raises(StorageError) as failed:
            desk.pull()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert failed.value.exit_code == 8
    assert MIDDLE in [part.stat().st_size for part in desk.models.rglob("*.part")]
    desk.assert_whole(desk.pull())


def test_a_folder_that_cannot_be_made_is_a_storage_error(desk: Desk) -> None:
    desk.models.parent.mkdir(parents=True)
    desk.models.write_text("a file in the way")
    with pytest.raises(StorageError):
        desk.pull()


@pytest.mark.parametrize("stall", [Fault(hang_after=MIDDLE), Fault(seconds_a_piece=0.2)])
def test_cancel_takes_effect_within_half_a_second(desk: Desk, stall: Fault) -> None:
    desk.hub.fail(UNET, stall)
    stopped: list[float] = []
    desk.stop = lambda: bool(stopped)

    def begin(event: ModelEvent) -> None:
        if isinstance(event, Progressed) and event.done_bytes > 60_000 and not stopped:
            stopped.append(time.monotonic())

    desk.on_event = begin
    with pytest.raises(Interrupted):
        desk.pull()
    assert time.monotonic() - stopped[0] < soon(0.5)
    desk.assert_not_installed()
    desk.stop, desk.on_event = (lambda: False), (lambda event: None)
    desk.assert_whole(desk.pull())


def test_a_second_pull_of_the_same_model_waits_for_the_first(desk: Desk) -> None:
    results: list[bool] = []
    first = threading.Thread(target=lambda: results.append(desk.pull().already))
    with FileLock(desk.models.parent / "locks" / "org--Tiny.lock", "tiny"):
        first.start()
        until(lambda: any(isinstance(e, Waited) and e.seconds is None for e in desk.events))
        assert results == []
    first.join(PATIENCE)
    assert results == [False]
    assert desk.pull().already


def test_what_another_pull_did_meanwhile_is_planned_anew(desk: Desk, tmp_path: Path) -> None:
    results: list[Installed] = []
    waiting = threading.Thread(target=lambda: results.append(desk.pull()))
    with FileLock(desk.models.parent / "locks" / "org--Tiny.lock", "tiny"):
        waiting.start()
        while not any(isinstance(e, Waited) and e.seconds is None for e in desk.events):
            assert waiting.is_alive()
            time.sleep(0.01)
        replace(desk.puller(), locks=tmp_path / "elsewhere").pull(PullRequest("org/Tiny"))
    waiting.join(30)
    [installed] = results
    assert (installed.already, installed.downloaded_bytes) == (True, 0)


def test_the_plan_that_is_shown_is_the_one_that_is_followed(desk: Desk) -> None:
    shown = desk.puller().plan(PullRequest("org/Tiny"))
    desk.pull()
    assert [replace(plan, free_bytes=0) for plan in desk.plans()] == [replace(shown, free_bytes=0)]


def test_without_a_network_nothing_is_planned_for_a_model_that_is_whole(desk: Desk) -> None:
    desk.pull()
    desk.hub.die()
    plan = desk.puller().plan(PullRequest("tiny"))
    assert (plan.whole, plan.download_bytes) == (True, 0)
    assert {file.path for file in plan.files} == WANTED


def test_a_commit_that_is_a_path_is_refused(desk: Desk) -> None:
    with pytest.raises(StorageError, match="outside"):
        Places.of(desk.models, "org/Tiny", "../../elsewhere")


def _cache(
    desk: Desk, tmp_path: Path, paths: set[str], *, blobs: dict[str, bytes] | None = None
) -> Path:
    """The Hub library's own cache with some files of the repository."""
    commit = desk.hub.commit("org/Tiny")
    root = tmp_path / "hub" / "models--org--Tiny"
    for path in paths:
        data = (blobs or {}).get(path, desk.hub.repos["org/Tiny"][path])
        right = desk.hub.repos["org/Tiny"][path]
        large = path.endswith(".safetensors")
        blob = root / "blobs" / (hashlib.sha256(right).hexdigest() if large else git_sha1(right))
        link = root / "snapshots" / commit / path
        blob.parent.mkdir(parents=True, exist_ok=True)
        link.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(data)
        link.symlink_to(blob)
    return root / "snapshots" / commit


def test_a_model_that_is_whole_in_the_hub_s_cache_is_used_in_place(
    desk: Desk, tmp_path: Path
) -> None:
    snapshot = _cache(desk, tmp_path, WANTED)
    installed = desk.pull()
    assert installed.path == snapshot
    assert desk.hub.bytes_sent(UNET) == 0
    assert Profile.current().catalog()["tiny@20"].model.path == snapshot
    assert not desk.entry().owned


@pytest.mark.parametrize("missing", [None, UNET])
def test_offline_a_model_of_the_hub_s_cache_is_used_if_it_is_whole(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str | None
) -> None:
    snapshot = _cache(desk, tmp_path, WANTED - {missing})
    (snapshot.parent.parent / "refs").mkdir()
    (snapshot.parent.parent / "refs" / "main").write_text(snapshot.name)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    if missing is None:
        assert desk.pull().path == snapshot
        assert desk.entry().commit == snapshot.name
    else:
        with pytest.raises(DownloadError, match="HF_HUB_OFFLINE"):
            desk.pull()


def test_a_file_of_the_hub_s_cache_is_linked_and_the_others_fetched(
    desk: Desk, tmp_path: Path
) -> None:
    _cache(desk, tmp_path, {UNET})
    installed = desk.pull()
    desk.assert_whole(installed)
    assert (installed.path / UNET).is_symlink()
    assert desk.hub.bytes_sent(UNET) == 0


def test_a_snapshot_with_other_weights_beside_is_linked_into_a_folder_of_our_own(
    desk: Desk, tmp_path: Path
) -> None:
    _cache(desk, tmp_path, WANTED | {"vae/diffusion_pytorch_model.safetensors"})
    installed = desk.pull()
    desk.assert_whole(installed)
    assert installed.path.is_relative_to(desk.models)


def test_a_damaged_file_of_the_hub_s_cache_is_left_alone_and_fetched(
    desk: Desk, tmp_path: Path
) -> None:
    wrong = noise(SIZE, 5)
    snapshot = _cache(desk, tmp_path, {UNET}, blobs={UNET: wrong})
    desk.assert_whole(desk.pull())
    assert (snapshot / UNET).read_bytes() == wrong


def test_a_model_with_a_file_missing_is_repaired_by_fetching_that_file(desk: Desk) -> None:
    installed = desk.pull()
    sent = desk.hub.bytes_sent(UNET)
    (installed.path / "vae" / "config.json").unlink()
    desk.assert_whole(desk.pull())
    assert desk.hub.bytes_sent(UNET) == sent


def test_a_pull_that_died_between_rename_and_record_is_taken_as_it_is(desk: Desk) -> None:
    installed = desk.pull()
    ledger = Ledger.read(desk.models)
    ledger.write(replace(ledger.entries["tiny"], folder=None))
    asked = len([a for a in desk.hub.asked if a.path == UNET])
    desk.assert_whole(desk.pull())
    assert len([a for a in desk.hub.asked if a.path == UNET]) == asked
    assert Profile.current().catalog()["tiny@20"].model.path == installed.path


def test_paths_of_any_script_are_fetched(desk: Desk) -> None:
    files = desk.hub.repos["org/Tiny"]
    files["tokenizer/語彙 ü.json"] = b"{}"
    installed = desk.pull()
    assert (installed.path / "tokenizer" / "語彙 ü.json").read_bytes() == b"{}"


def test_a_listed_path_that_leaves_the_folder_is_refused(desk: Desk) -> None:
    desk.hub.repos["org/Tiny"]["../../evil.json"] = b"{}"
    with pytest.raises(WeightsError, match="outside"):
        desk.pull()
    desk.assert_not_installed()


def test_a_support_model_has_no_functions_and_is_listed(desk: Desk) -> None:
    desk.hub.repos["org/Clip"] = {"config.json": b"{}", "model.safetensors": noise(1000)}
    assert desk.pull("org/Clip").functions == ()
    functions = Profile.current().catalog()
    assert functions.models()["clip"].installed
    assert functions.of_model("clip") == []


def test_a_catalog_model_is_installed_under_its_own_name(desk: Desk) -> None:
    desk.hub.repos["stabilityai/sd-turbo"] = pipeline_files()
    desk.known = catalog.known_models()
    installed = desk.pull("stabilityai/sd-turbo", steps=(1, 2))
    assert installed.model == "sd-turbo"
    assert installed.functions == ("sd-turbo@1", "sd-turbo@2")
    functions = Profile.current().catalog()
    assert functions["sd-turbo@1"].installed
    assert functions["sd-turbo@1"].expected.seconds == pytest.approx(0.176)
    assert functions["sd-turbo@2"].guidance == functions["sd-turbo@1"].guidance


def test_the_sentence_encoder_is_pulled_by_its_name_and_held_to_commit_and_digests(
    desk: Desk,
) -> None:
    repo, entry = "sentence-transformers/all-MiniLM-L6-v2", "all-minilm-l6-v2"
    files = {
        "config.json": b"{}",
        "model.safetensors": noise(1000),
        "tokenizer.json": b'{"model": {}}',
        "pytorch_model.bin": b"pickle",
    }
    desk.hub.repos[repo] = files
    known = catalog.known_models()[entry]
    assert known.revision == "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
    desk.hub.shas[repo] = known.revision
    desk.known = {entry: known}
    with pytest.raises(WeightsError, match="sha256"):
        desk.pull(entry)
    assert entry not in Ledger.read(desk.models).entries
    theirs = {path: hashlib.sha256(files[path]).hexdigest() for path in known.sha256}
    desk.known = {entry: replace(known, sha256=theirs)}
    installed = desk.pull(entry)
    assert installed.functions == ()
    assert {path.name for path in installed.path.iterdir()} == set(known.files)
    assert desk.entry(entry).commit == known.revision


def test_a_ledger_can_move_with_its_home(desk: Desk, tmp_path: Path) -> None:
    desk.pull()
    elsewhere = tmp_path / "stick" / "models"
    shutil.copytree(desk.models, elsewhere)
    ledger = Ledger.read(elsewhere)
    folder = ledger.present(ledger.entries["tiny"])
    assert folder is not None
    assert folder.is_relative_to(elsewhere)


def test_an_entry_that_cannot_be_read_hides_no_other(desk: Desk) -> None:
    desk.pull()
    (desk.models / "ledger" / "broken.json").write_text("{")
    assert set(Ledger.read(desk.models).entries) == {"tiny"}


def test_a_newer_entry_is_a_storage_error(desk: Desk) -> None:
    folder = desk.models / "ledger"
    folder.mkdir(parents=True)
    (folder / "new.json").write_text(json.dumps({"format": 99, "name": "new"}))
    with pytest.raises(StorageError, match="newer"):
        Ledger.read(desk.models)


def test_the_room_needed_is_compared_with_what_is_free() -> None:
    install.refuse_short_disk("x", Path("/"), 0, 0)
    install.refuse_short_disk("x", Path("/"), 10**9, 2 * 10**9)
    with pytest.raises(StorageError, match=r"1\.0 GB"):
        install.refuse_short_disk("x", Path("/"), 10**9, 10**9)
