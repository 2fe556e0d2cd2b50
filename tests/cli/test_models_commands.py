"""`cems pull`, `verify`, `rm`, `import` as their user meets them: processes, kills, ctrl+c."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.cems import Ran, cems, environment
from tests.models.fake_hub import FakeHub, Fault, folder_of_files
from tests.models.hub_fixtures import UNET, WANTED, pipeline_files
from tests.patience import PATIENCE, soon

KILLS = int(os.environ.get("CEMS_TEST_KILLS", "4"))
"""How often a pull is killed; more of them are run by hand."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home ü"


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub({"org/Tiny": pipeline_files()}) as hub:
        yield hub


def ask(hub: FakeHub, home: Path, *arguments: str, **extra: str) -> Ran:
    """A `cems` that may ask the Hub, and has a Hub cache of its own."""
    told = {**hub.environment, "HF_HOME": str(home.parent / "hf"), **extra}
    return cems(*arguments, home=home, extra=told)


def model(home: Path, hub: FakeHub, repo: str = "org/Tiny") -> Path:
    return home / "models" / repo.replace("/", "--") / hub.commit(repo)


def contents(folder: Path) -> dict[str, bytes]:
    return folder_of_files(folder)


def wanted_of(hub: FakeHub) -> dict[str, bytes]:
    return {path: hub.repos["org/Tiny"][path] for path in WANTED}


def test_pull_show_verify_damage_repair_and_remove(home: Path, hub: FakeHub) -> None:
    pulled = ask(hub, home, "pull", "org/Tiny", "--steps", "4,20", "--json")
    assert pulled.code == 0, pulled.err
    assert [line["event"] for line in pulled.lines if line["event"] != "progress"] == [
        "plan",
        "installed",
    ]
    installed = pulled.lines[-1]
    assert installed["functions"] == ["tiny@4", "tiny@20"]
    assert Path(installed["path"]) == model(home, hub)
    assert contents(model(home, hub)) == wanted_of(hub)

    shown = cems("show", "org/Tiny", "--json", home=home).document
    assert shown["revision"] == hub.commit("org/Tiny")
    assert {file["path"] for file in shown["files"]} == WANTED
    assert all(len(file["sha256"]) == 64 for file in shown["files"])
    assert cems("verify", "tiny", "--json", home=home).document["ok"] is True

    with (model(home, hub) / UNET).open("r+b") as file:
        file.seek(1000)
        file.write(b"another content")  # the same size
    damaged = cems("verify", "tiny", home=home)
    assert damaged.code == 3
    assert UNET in damaged.err
    assert "cems pull tiny" in damaged.err
    there = {row["model"]: row["installed"] for row in cems("ls", "--json", home=home).document}
    assert there["starter-base"]
    assert there["tiny"] is False
    assert ask(hub, home, "pull", "tiny", "-q").out.strip() == "tiny"
    assert contents(model(home, hub)) == wanted_of(hub)

    asked = cems("rm", "tiny", home=home)
    assert asked.code == 2
    plan = cems("rm", "tiny", "--dry-run", "--json", home=home).document
    assert plan["freed_bytes"] == sum(map(len, wanted_of(hub).values()))
    assert model(home, hub).is_dir()
    removed = cems("rm", "org/Tiny", "--yes", "--json", home=home).document
    assert removed["removed"] is True
    assert not model(home, hub).exists()
    assert all(row["model"] != "tiny" for row in cems("ls", "--json", home=home).document)
    assert cems("rm", "tiny", "--yes", home=home).code == 3


def test_several_models_are_pulled_in_turn_and_the_gravest_failure_is_returned(
    home: Path, hub: FakeHub
) -> None:
    hub.repos["org/Other"] = pipeline_files(seed=9)
    ran = ask(hub, home, "pull", "org/Nothing", "org/Tiny", "nonsense", "org/Other", "-q")
    assert ran.code == 3
    assert ran.out.split() == ["tiny", "other"]
    assert ran.err.count("error:") == 2


def test_a_question_without_a_terminal_is_refused_and_yes_answers_it(
    home: Path, hub: FakeHub
) -> None:
    hub.licence = "cc-by-nc-4.0"
    refused = ask(hub, home, "pull", "org/Tiny")
    assert refused.code == 2
    assert "cc-by-nc-4.0" in refused.err
    assert ask(hub, home, "pull", "org/Tiny", "--yes", "-q").code == 0
    assert cems("show", "tiny", "--json", home=home).document["accepted"] == "cc-by-nc-4.0"


def start(hub: FakeHub, home: Path, *arguments: str) -> subprocess.Popen[bytes]:
    told = {**hub.environment, "HF_HOME": str(home.parent / "hf")}
    return subprocess.Popen(
        [sys.executable, "-m", "cems_tui", "pull", *arguments],
        env=environment(home, told),
        cwd=home.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def wait_for_bytes(home: Path, count: int, seconds: float = PATIENCE) -> None:
    """Until the partial folder holds so many bytes."""
    deadline = time.monotonic() + seconds
    while sum(_sizes(home / "models" / ".partial")) < count:
        assert time.monotonic() < deadline, "the pull does not get on"
        time.sleep(0.01)


def _sizes(folder: Path) -> Iterator[int]:
    for path in folder.rglob("*"):
        try:
            yield path.stat().st_size if path.is_file() else 0
        except OSError:
            yield 0  # it was renamed just now


def test_killing_it_at_any_moment_loses_nothing_and_installs_no_half(
    home: Path, hub: FakeHub
) -> None:
    size = 3_000_000
    hub.repos["org/Tiny"] = pipeline_files(size)
    hub.fail(UNET, Fault(seconds_a_piece=0.03, always=True))
    chance = random.Random(KILLS)
    for _ in range(KILLS):
        had = sum(_sizes(home / "models" / ".partial"))
        process = start(hub, home, "org/Tiny")
        if had < 0.8 * size:
            wait_for_bytes(home, had + 1)
            time.sleep(chance.uniform(0, 1.5 / max(KILLS, 4) * 4))
        else:
            time.sleep(chance.uniform(0.2, 2.5))
        process.kill()
        process.communicate()
        rows = {row["model"]: row for row in cems("ls", "--json", home=home).document}
        if rows.get("tiny", {}).get("installed"):
            assert contents(model(home, hub)) == wanted_of(hub)
            shutil.rmtree(home)  # whole already: begin again
        else:
            assert sum(_sizes(home / "models" / ".partial")) >= had
    hub.faults.clear()
    assert ask(hub, home, "pull", "org/Tiny").code == 0
    assert contents(model(home, hub)) == wanted_of(hub)
    assert cems("verify", "tiny", home=home).code == 0
    assert list((home / "models" / ".partial").rglob("*")) == []


def test_ctrl_c_ends_it_within_half_a_second_and_keeps_what_was_fetched(
    home: Path, hub: FakeHub
) -> None:
    hub.fail(UNET, Fault(hang_after=200_000))
    process = start(hub, home, "org/Tiny")
    wait_for_bytes(home, 200_000)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert time.monotonic() - began < soon(0.5)
    assert process.returncode == 130, err
    assert b"error: interrupted" in err
    assert sum(_sizes(home / "models" / ".partial")) >= 200_000


def test_two_pulls_of_one_model_at_once_fetch_it_once(home: Path, hub: FakeHub) -> None:
    hub.fail(UNET, Fault(seconds_a_piece=0.1, always=True))
    processes = [start(hub, home, "org/Tiny", "-q") for _ in range(2)]
    for process in processes:
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, err
        assert out == b"tiny\n"
    assert contents(model(home, hub)) == wanted_of(hub)
    assert hub.bytes_sent(UNET) == len(hub.repos["org/Tiny"][UNET])


def test_a_token_is_sent_to_the_hub_and_never_shown(home: Path, hub: FakeHub) -> None:
    hub.gated.add("org/Tiny")
    hub.fail(UNET, Fault(status=404, code="EntryNotFound"))
    for _ in range(2):
        ran = ask(hub, home, "--debug", "pull", "org/Tiny", "--yes", "--json", HF_TOKEN=hub.token)
        assert hub.token not in ran.out + ran.err
    assert ran.code == 0, ran.err
    for path in home.rglob("*"):
        assert not path.is_file() or hub.token.encode() not in path.read_bytes()


def test_a_read_only_home_is_a_storage_error(home: Path, hub: FakeHub) -> None:
    home.mkdir()
    (home / "models").write_text("in the way")
    assert ask(hub, home, "pull", "org/Tiny").code == 8


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real pipeline of random weights."""
    from tests.generation.tiny_pipelines import save_stable_diffusion

    return save_stable_diffusion(tmp_path_factory.mktemp("tiny") / "pipeline")


@pytest.mark.slow
def test_an_imported_folder_draws(home: Path, tiny: Path) -> None:
    dry = cems("import", str(tiny), "--name", "mine", "--dry-run", "--json", home=home)
    assert dry.code == 0, dry.err
    assert dry.document["family"] == "stable-diffusion"
    assert dry.document["size"] == "16x16"
    assert not (home / "models" / "ledger").exists()
    assert cems("import", str(tiny), "--name", "mine", "--steps", "2", "-q", home=home).code == 0
    drawn = cems("generate", "x", "--function", "mine@2", "--no-score", "--json", home=home)
    assert drawn.code == 0, drawn.err
    assert drawn.lines[0]["width"] == 16


@pytest.mark.slow
def test_a_pulled_model_draws(home: Path, hub: FakeHub, tiny: Path) -> None:
    hub.repos["org/Real"] = folder_of_files(tiny)
    assert ask(hub, home, "pull", "org/Real", "--steps", "2", "-q").code == 0
    drawn = cems("generate", "x", "--function", "real@2", "--no-score", "--json", home=home)
    assert drawn.code == 0, drawn.err
