"""The engine process with a real spawned child and a session that makes no real pictures."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cems_tui import paths
from cems_tui.domain.request import Event, Failed, Generated, Loading, Routed, Scoring, Step
from cems_tui.errors import GenerationError
from cems_tui.services.engine.process import EngineProcess
from cems_tui.services.engine.protocol import EngineLost, EngineReady, Session, Started
from tests.patience import soon
from tests.screens.fakes_app import FakeSession, refuse_to_open, request

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX here")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CEMS_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def engine() -> Iterator[EngineProcess]:
    made = EngineProcess(FakeSession)
    made.start()
    yield made
    made.close()


def until(events: Iterator[Event], wanted: Callable[[Event], bool]) -> list[Event]:
    """The events up to and with the first wanted one."""
    seen = []
    for event in events:
        seen.append(event)
        if wanted(event):
            return seen
    raise AssertionError(f"the events ended after {seen}")


def gone(pid: int, seconds: float = soon(2.0)) -> bool:
    """Whether the process ends in time; a zombie is gone."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            if state == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False


def kind(name: type[Event], of: str = "") -> Callable[[Event], bool]:
    return lambda event: isinstance(event, name) and (not of or event.request == of)


def test_a_request_is_reported_from_its_start_to_its_picture(engine: EngineProcess) -> None:
    engine.submit(request())
    events = engine.events()
    seen = until(events, kind(Generated))
    assert [type(event) for event in seen] == [
        *(EngineReady, Started, Routed, Loading, Step, Step, Step, Scoring, Generated)
    ]
    assert [event.step for event in seen if isinstance(event, Step)] == [1, 2, 3]
    assert {event.request for event in seen[1:]} == {request().id}
    last = seen[-1]
    assert isinstance(last, Generated)
    assert last.generation.image.exists()
    ready = next(events)
    assert ready == EngineReady(request().id, frozenset({"starter-base"}))


def test_requests_are_worked_on_one_after_the_other(engine: EngineProcess) -> None:
    for name in ("A", "B", "C"):
        engine.submit(request(name=name))
    seen = until(engine.events(), kind(Generated, "C"))
    turns = [event.request for event in seen if isinstance(event, Started | Generated)]
    assert turns == ["A", "A", "B", "B", "C", "C"]


def test_a_cancelled_request_ends_within_a_step(engine: EngineProcess) -> None:
    engine.submit(request("slow", "A"))
    events = engine.events()
    until(events, kind(Step))
    engine.cancel("A")
    cancelled = time.monotonic()
    *steps, failed = until(events, kind(Failed))
    assert time.monotonic() - cancelled < soon(1.0)
    assert len([event for event in steps if isinstance(event, Step)]) < 30
    assert isinstance(failed, Failed)
    assert (failed.request, failed.exit_code) == ("A", 130)


def test_a_request_cancelled_while_it_waits_never_begins(engine: EngineProcess) -> None:
    engine.submit(request("slow", "A"))
    engine.submit(request(name="B"))
    engine.submit(request(name="C"))
    events = engine.events()
    until(events, kind(Step))
    engine.cancel("B")
    engine.cancel("A")
    seen = until(events, kind(Generated, "C"))
    assert not [event for event in seen if isinstance(event, Started) and event.request == "B"]
    assert [e.exit_code for e in seen if isinstance(e, Failed) and e.request == "B"] == [130]


def test_cancelling_what_is_over_does_not_stop_what_comes_next(engine: EngineProcess) -> None:
    engine.submit(request(name="A"))
    events = engine.events()
    until(events, kind(Generated, "A"))
    engine.cancel("A")
    engine.submit(request(name="B"))
    assert until(events, kind(Generated, "B"))


def test_a_foreseen_error_keeps_its_words_and_exit_code(engine: EngineProcess) -> None:
    engine.submit(request("huge"))
    failed = until(engine.events(), kind(Failed))[-1]
    assert isinstance(failed, Failed)
    assert failed.message == "sdxl-turbo@4 needs 9.5 GB, 4.0 GB is free"
    assert failed.exit_code == 5
    assert "smaller function" in failed.hint


def test_an_unforeseen_error_is_one_line_and_its_traceback_is_in_the_log(
    engine: EngineProcess,
) -> None:
    engine.submit(request("boom", "A"))
    engine.submit(request(name="B"))
    seen = until(engine.events(), kind(Generated, "B"))
    failed = next(event for event in seen if isinstance(event, Failed))
    assert failed.message == "RuntimeError: a tensor had the wrong shape"
    assert str(paths.current().log_file) in failed.hint
    assert "Traceback" in paths.current().log_file.read_text()


def test_a_session_that_reports_nothing_still_ends_its_request(engine: EngineProcess) -> None:
    engine.submit(request("silent"))
    assert isinstance(until(engine.events(), kind(Failed))[-1], Failed)


def test_what_the_child_prints_goes_to_the_log(engine: EngineProcess) -> None:
    next(engine.events())
    engine.close()
    assert "the session says goodbye" in paths.current().log_file.read_text()


def test_a_child_that_dies_is_reported_once_with_what_it_was_doing(engine: EngineProcess) -> None:
    engine.submit(request("die", "A"))
    engine.submit(request(name="B"))
    lost = [event for event in engine.events() if isinstance(event, EngineLost)]
    assert lost == [EngineLost("A", ("B",), "the engine ended by itself (exit 3)")]
    assert list(engine.events()) == []
    with pytest.raises(GenerationError, match="not running"):
        engine.submit(request(name="C"))


def test_a_killed_engine_is_replaced_by_a_fresh_one(engine: EngineProcess) -> None:
    engine.submit(request("hang", "A"))
    events = engine.events()
    until(events, kind(Loading))
    first = engine.pid
    engine.kill()
    [lost] = list(events)
    assert isinstance(lost, EngineLost)
    assert lost.request == "A"
    assert "SIGKILL" in lost.message
    engine.restart()
    assert engine.pid != first
    engine.submit(request(name="B"))
    assert until(engine.events(), kind(Generated, "B"))


def test_an_engine_that_is_replaced_while_it_works_is_not_reported_as_lost(
    engine: EngineProcess,
) -> None:
    engine.submit(request("hang", "A"))
    events = engine.events()
    until(events, kind(Loading))
    engine.restart()
    assert not [event for event in events if isinstance(event, EngineLost)]


def test_a_session_that_cannot_be_opened_says_why() -> None:
    engine = EngineProcess(refuse_to_open)
    engine.start()
    [lost] = list(engine.events())
    assert isinstance(lost, EngineLost)
    assert lost.message == "the starter pack is damaged"
    assert "cems ls" in lost.hint
    engine.close()


@pytest.mark.parametrize("reason", ["open", "request"])
def test_a_session_that_may_wait_opens_when_there_is_a_reason(reason: str) -> None:
    engine = EngineProcess(FakeSession)
    engine.start(open_now=False)
    try:
        time.sleep(0.5)
        assert "hello" not in _log()
        if reason == "open":
            engine.open()
        else:
            engine.submit(request())
        assert isinstance(next(engine.events()), EngineReady)
        assert "hello" in _log()
    finally:
        engine.close()


def test_a_session_that_never_opened_is_closed_quietly() -> None:
    engine = EngineProcess(FakeSession)
    engine.start(open_now=False)
    engine.close()
    assert list(engine.events()) == []
    assert "goodbye" not in _log()


def _log() -> str:
    log = paths.current().log_file
    return log.read_text() if log.exists() else ""


@pytest.mark.parametrize("prompt", ["slow", "hang"])
def test_closing_takes_under_two_seconds_whatever_the_child_does(
    engine: EngineProcess, prompt: str
) -> None:
    engine.submit(request(prompt))
    until(engine.events(), kind(Loading))
    pid = engine.pid
    began = time.monotonic()
    engine.close()
    assert time.monotonic() - began < soon(2.0)
    assert pid is not None
    assert gone(pid, 0.1)


def test_ctrl_c_does_not_end_the_child(engine: EngineProcess) -> None:
    events = engine.events()
    next(events)
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGINT)
    engine.submit(request())
    assert until(events, kind(Generated))


@pytest.mark.parametrize("state", ["working", "stubborn"])
def test_no_child_outlives_its_parent(tmp_path: Path, state: str) -> None:
    command = [sys.executable, "-m", "tests.screens.fakes_app", state]
    environment = {**os.environ, "CEMS_HOME": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert not gone(child, 0.2)
        parent.kill()
        parent.wait()
        assert gone(child)


def test_a_fake_session_is_a_session() -> None:
    session: Session = FakeSession()
    assert session.resident() == frozenset()
