"""What other processes are told of the device, and how they have it freed; real processes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from cems_tui import paths
from cems_tui.app_engine import OpenSession
from cems_tui.domain.decision import Policy
from cems_tui.domain.request import Event, Failed, Generated, Request, Step, new_id
from cems_tui.generation.device_status import Presence
from cems_tui.locks import FileLock
from cems_tui.profile import Profile
from cems_tui.services.engine.process import EngineProcess
from cems_tui.services.engine.protocol import EngineReady
from tests.cli.inside import Inside, inside

__all__ = ["inside"]

pytestmark = pytest.mark.slow

PATIENCE = 60.0
"""Seconds that a machine busy with other things is given; an idle one takes half a second."""

CAT = "a cat to the left of a red car at night"


@pytest.fixture
def engine(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineProcess]:
    monkeypatch.setattr("cems_tui.cli.commands.stop.ANSWER_SECONDS", PATIENCE)
    made = EngineProcess(OpenSession())
    made.start()
    yield made
    made.close()


def drawing(function: str) -> Request:
    return Request(id=new_id(), prompt=CAT, policy=Policy.pinned(function), score=False)


def draw(engine: EngineProcess, function: str) -> Iterator[Event]:
    """The engine's events after it drew one picture."""
    request = drawing(function)
    engine.submit(request)
    events = engine.events()
    wait_for(events, lambda event: isinstance(event, EngineReady) and event.request == request.id)
    return events


def wait_for(events: Iterator[Event], wanted: Callable[[Event], bool]) -> Event:
    for event in events:
        assert not isinstance(event, Failed), event
        if wanted(event):
            return event
    raise AssertionError("the engine ended")


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.05)
    return holds()


def test_an_engine_s_models_are_told_freed_on_request_and_gone_with_it(
    engine: EngineProcess, inside: Inside
) -> None:
    events = draw(engine, "starter-base@4")
    [row] = inside("ps", "--json").document
    assert (row["model"], row["pid"], row["device"]) == ("starter-base", engine.pid, "cpu")
    assert row["functions"] == [f"starter-base@{steps}" for steps in (4, 8, 20, 50)]
    names = {component["name"] for component in row["components"]}
    assert names == {"text_encoder", "unet", "vae"}
    assert row["bytes"] == sum(component["bytes"] for component in row["components"])
    assert row["until"] is None
    assert inside("ps", "-q").out == "starter-base\n"
    assert "20.9 MB" in inside("ps").out

    stopped = inside("stop", "starter-base@8", "--json").document
    assert stopped == {
        "model": "starter-base",
        "resident": True,
        "freed": True,
        "in_use": False,
        "bytes": row["bytes"],
        "pid": engine.pid,
    }
    assert isinstance(next(events), EngineReady)
    assert inside("ps", "--json").document == []
    assert FileLock(paths.current().device_lock, "the device").holder() is None

    draw(engine, "starter-small@4")
    there = Profile.current().device.presence()
    assert there is not None
    assert [model.model for model in there.models] == ["starter-small"]
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    assert within(PATIENCE, lambda: Profile.current().device.presence() is None)
    assert paths.current().resident_file.exists()  # what is left of it is not believed
    assert inside("ps", "--json").document == []


def test_a_model_in_use_is_freed_after_its_picture(engine: EngineProcess, inside: Inside) -> None:
    draw(engine, "starter-base@4")
    for _ in range(8):
        engine.submit(drawing("starter-base@20"))
    events = engine.events()
    wait_for(events, lambda event: isinstance(event, Step))
    there = Profile.current().device.presence()
    assert there is not None
    assert there.models[0].in_use
    Profile.current().device.ask_to_free("starter-base")
    assert isinstance(wait_for(events, lambda event: isinstance(event, Generated)), Generated)
    ready = wait_for(events, lambda event: isinstance(event, EngineReady))
    assert ready == EngineReady(ready.request, frozenset())


def test_unused_models_leave_when_the_setting_says_so(inside: Inside) -> None:
    file = paths.current().config_file
    paths.ensure(file.parent)
    file.write_text("[device]\nkeep_alive_minutes = 0.05\n")
    engine = EngineProcess(OpenSession())
    engine.start()
    try:
        draw(engine, "starter-small@4")
        there = Profile.current().device.presence()
        assert isinstance(there, Presence)
        until = there.until(there.models[0])
        assert until is not None
        assert 0 < until - time.time() <= 3
        assert within(PATIENCE, lambda: Profile.current().device.presence() is None)
        draw(engine, "starter-small@4")  # and comes back when wanted
    finally:
        engine.close()
