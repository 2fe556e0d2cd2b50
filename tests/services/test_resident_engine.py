"""The resident engine at a real socket, with a session that makes no real pictures."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cems_tui.domain.decision import Policy
from cems_tui.domain.generation import Generation
from cems_tui.domain.note import Note
from cems_tui.domain.request import (
    Event,
    Failed,
    Generated,
    Loading,
    Noted,
    Request,
    Routed,
    Scoring,
    Starting,
    Step,
)
from cems_tui.errors import DeviceBusy, GenerationError, Interrupted, OutOfMemory, StorageError
from cems_tui.services.engine import resident_client
from cems_tui.services.engine.protocol import (
    Cancel,
    EngineReady,
    Hello,
    Retire,
    Started,
    Taken,
    Welcome,
)
from cems_tui.services.engine.resident import ResidentEngine, closed
from cems_tui.services.engine.resident_client import ResidentClient, retire
from cems_tui.services.engine.resident_socket import NAME, Line, connect, listen
from cems_tui.services.engine.wire import KINDS, BadMessage, decoded, encoded
from tests.patience import until
from tests.screens.fakes_app import FakeSession, decision_for, generation, request

# The wire.

TEXTS = st.text(max_size=40)
REQUESTS = st.builds(
    Request,
    id=TEXTS,
    prompt=TEXTS,
    policy=st.builds(Policy.tradeoff, st.floats(0, 1)) | st.builds(Policy.pinned, TEXTS),
    pool=st.none() | st.lists(TEXTS, max_size=3).map(tuple),
    seed=st.none() | st.integers(0, 2**64 - 1),
    width=st.none() | st.integers(8, 4096),
    negative=TEXTS,
    score=st.booleans(),
    out_dir=st.none() | st.just(Path("/somewhere/ä")),
    deadline_seconds=st.none() | st.floats(0, 1e9),
    session=st.none() | TEXTS,
)
MESSAGES = (
    REQUESTS
    | st.builds(Hello, TEXTS, TEXTS, st.none() | st.floats(0, 1e6))
    | st.builds(Welcome, st.integers(1), st.frozensets(TEXTS, max_size=3))
    | st.builds(Taken, st.integers(1), TEXTS, st.booleans())
    | st.builds(Cancel, TEXTS)
    | st.builds(Retire, st.booleans())
    | st.builds(EngineReady, TEXTS, st.frozensets(TEXTS, max_size=3))
    | st.builds(Step, TEXTS, TEXTS, st.integers(0, 99), st.integers(1, 99))
    | st.builds(Loading, TEXTS, TEXTS, st.none() | st.floats(0, 99))
    | st.builds(Failed, TEXTS, TEXTS, TEXTS, st.integers(1, 130), st.dictionaries(TEXTS, TEXTS))
    | st.builds(Noted, TEXTS, st.builds(Note, st.just("size"), TEXTS))
)


@given(MESSAGES)
def test_what_is_said_is_what_is_heard(message: Any) -> None:
    line = encoded(message)
    assert line.count(b"\n") == 1
    assert decoded(line) == message


def test_decisions_and_pictures_are_heard_as_they_were_said(tmp_path: Path) -> None:
    asked = request()
    for message in (
        Routed(asked.id, decision_for(asked)),
        Generated(asked.id, generation(asked, tmp_path / "a.png")),
    ):
        assert decoded(encoded(message)) == message


@given(
    st.binary(max_size=200)
    | st.sampled_from(sorted(KINDS)).map(
        lambda kind: b'{"kind": "' + kind.encode() + b'", "request": 3, "id": null, "x": [1, {}]}'
    )
)
def test_what_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(BadMessage):
        decoded(line)


@pytest.mark.parametrize(
    "line",
    [
        b'{"kind": "Retire", "patient": 1}',
        b'{"kind": "Retire", "patient": true, "more": 1}',
        b'{"kind": "Retire"}',
        b'{"kind": "EngineReady", "request": "", "resident": [1]}',
        b"[" * 100_000,
        b'{"kind": "EngineLost"}',
    ],
)
def test_a_field_of_another_type_or_name_is_refused(line: bytes) -> None:
    with pytest.raises(BadMessage):
        decoded(line)


# The engine.


class Session(FakeSession):
    """The fake session, at which commands take turns."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = 0
        self.kept: list[float] = []
        self.asked_to_free = False

    def begin(self) -> None:
        self.turns += 1

    def keep_alive(self, seconds: float) -> None:
        self.kept.append(seconds)

    def tend(self) -> bool:
        if self.asked_to_free and self._resident:
            self._resident = frozenset()
            return True
        return False


class Running:
    """An engine in a thread of this process, and who starts it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.session = Session()
        self.started = 0
        self.thread: threading.Thread | None = None

    def start(self, key: str = "key", keep_alive_seconds: float = 600.0) -> None:
        self.started += 1
        door = listen(self.folder)
        engine = ResidentEngine(door, key, self.session, keep_alive_seconds)

        def serve() -> None:
            engine.serve()
            closed(door)

        self.thread = threading.Thread(target=serve, daemon=True)
        self.thread.start()

    def client(self, key: str = "key", **options: Any) -> ResidentClient:
        def start_engine() -> subprocess.Popen[bytes]:
            self.start(key)
            return cast("subprocess.Popen[bytes]", Alive())

        return ResidentClient(self.folder, key, None, start_engine, lambda: None, **options)

    @property
    def alive(self) -> bool:
        return self.thread is not None and self.thread.is_alive()


class Alive:
    """A process that runs, as far as can be seen."""

    def poll(self) -> int | None:
        return None


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setenv("CEMS_HOME", str(tmp_path))
    made = Running(tmp_path / "state" / "engine")
    yield made
    if made.alive:
        assert retire(made.folder, patient=True)
        until(lambda: not made.alive)


def draw(client: ResidentClient, asked: Request, stop: Callable[[], bool] = lambda: False) -> Any:
    events: list[Event] = []
    made = client.run(asked, events.append, stop)
    return made, events


def found(client: ResidentClient) -> bool:
    """Whether the engine welcomed it; one that has not seen the last one go does not yet."""
    try:
        if not client.open():
            return False
    except DeviceBusy:
        return False
    client.close()
    return True


def test_a_command_starts_an_engine_and_the_next_finds_it(running: Running) -> None:
    first = running.client()
    assert not first.open()
    first.start()
    made, events = draw(first, request())
    assert isinstance(made, Generation)
    assert [type(event) for event in events] == [
        *(Starting, Started, Routed, Loading, Step, Step, Step, Scoring, Generated)
    ]
    assert first.resident() == frozenset({"starter-base"})
    first.close()

    until(lambda: found(running.client()))
    assert running.started == 1
    assert running.session.turns == 2


def test_a_request_goes_with_its_session_and_its_folder(running: Running, tmp_path: Path) -> None:
    heard: list[Request] = []
    real = running.session.run

    def run(asked: Request, *rest: Any) -> None:
        heard.append(asked)
        real(asked, *rest)

    running.session.run = run  # type: ignore[method-assign]
    running.start()
    client = running.client()
    assert client.open()
    learned: list[Generation] = []
    client.serves("01SESSION", tmp_path / "pictures", learned.append)
    draw(client, request())
    draw(client, replace(request(), out_dir=Path("here")))
    client.close()
    assert [asked.session for asked in heard] == ["01SESSION"] * 2
    assert [asked.out_dir for asked in heard] == [tmp_path / "pictures", Path("here").absolute()]
    assert len(learned) == 2


def test_one_command_at_a_time_has_the_turn(running: Running) -> None:
    running.start()
    first = running.client()
    assert first.open()
    with pytest.raises(DeviceBusy, match="draws for"):
        running.client().open()
    waiting = running.client(wait_seconds=60.0)
    threading.Timer(0.2, first.close).start()
    assert waiting.open()
    waiting.close()


def test_errors_are_raised_as_they_were_there(running: Running) -> None:
    running.start()
    client = running.client()
    client.open()
    with pytest.raises(OutOfMemory, match=r"9\.5 GB") as huge:
        draw(client, request("huge"))
    assert "smaller function" in huge.value.hint
    with pytest.raises(GenerationError, match="wrong shape"):
        draw(client, request("boom"))
    assert draw(client, request())[0].prompt == request().prompt
    client.close()


def test_a_stopped_picture_ends_and_the_engine_goes_on(running: Running) -> None:
    running.start()
    client = running.client()
    client.open()
    begun = threading.Event()

    def emit(event: Event) -> None:
        if isinstance(event, Step):
            begun.set()

    with pytest.raises(Interrupted):
        client.run(request("slow"), emit, begun.is_set)
    assert draw(client, request())
    client.close()


def test_ctrl_c_ends_the_step_and_leaves_the_engine_free(running: Running) -> None:
    running.start()
    client = running.client()
    client.open()

    def emit(event: Event) -> None:
        if isinstance(event, Step):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.run(request("slow"), emit, lambda: False)
    following = running.client()
    assert following.open(), "it need not wait"
    following.close()


def test_a_killed_command_gives_the_turn_back_within_a_step(running: Running) -> None:
    running.start()
    killed = connect(running.folder)
    assert killed is not None
    killed.send(Hello("key", "killed", None))
    assert isinstance(killed.recv(), Welcome)
    killed.send(request("slow"))
    while not isinstance(killed.recv(), Step):
        pass
    killed.close()
    following = running.client()
    assert following.open(), "one that is gone is waited for without --wait"
    following.close()


@pytest.mark.parametrize(
    "said", [b"nonsense\n", b'{"kind": "Cancel", "request": ""}\n', b"\n", b""]
)
def test_nonsense_at_the_door_harms_nobody(running: Running, said: bytes) -> None:
    running.start()
    stranger = socket.socket(socket.AF_UNIX)
    stranger.connect(str(running.folder / NAME))
    stranger.sendall(said)
    if said:
        assert stranger.recv(10) == b""
    stranger.close()
    client = running.client()
    assert client.open()
    client.close()


def test_another_key_is_another_engine(running: Running) -> None:
    running.start(key="old")
    old = running.thread
    assert old is not None
    client = running.client(key="new")
    assert not client.open()
    until(lambda: not old.is_alive())
    client.start()
    assert draw(client, request())[0]
    client.close()
    assert running.started == 2


def test_an_engine_in_use_is_not_replaced(running: Running) -> None:
    running.start(key="old")
    first = running.client(key="old")
    first.open()
    with pytest.raises(DeviceBusy):
        running.client(key="new").open()
    assert not retire(running.folder)
    assert draw(first, request())[0]
    assert retire(running.folder, patient=True)
    assert draw(first, request())[0], "it ends after the command, not within it"
    first.close()
    until(lambda: not running.alive)


def test_it_ends_when_nobody_comes_and_when_its_last_model_is_freed(running: Running) -> None:
    running.start(keep_alive_seconds=0.0)
    until(lambda: not running.alive)
    running.session.asked_to_free = False
    running.start()
    client = running.client()
    client.open()
    draw(client, request())
    client.close()
    running.session.asked_to_free = True
    until(lambda: not running.alive)


def test_a_command_says_how_long_it_stays(running: Running) -> None:
    running.start()
    client = replace(running.client(), keep_alive_seconds=0.0)
    assert client.open()
    draw(client, request())
    client.close()
    until(lambda: not running.alive)
    assert running.session.kept == [0.0]


def test_an_engine_that_dies_is_told_and_another_is_started(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running.session, "run", lambda *rest: kill())
    running.start()
    client = running.client()
    client.open()
    line = client._line
    assert line is not None

    def kill() -> None:
        line.close()

    with pytest.raises(GenerationError, match="ended while it drew"):
        draw(client, request())
    monkeypatch.undo()
    client.close()


def test_what_a_killed_engine_left_is_replaced(running: Running) -> None:
    dead = listen(running.folder)
    dead.close()
    assert (running.folder / NAME).exists()
    assert connect(running.folder) is None
    assert not retire(running.folder)
    client = running.client()
    assert not client.open()
    client.start()
    assert draw(client, request())[0]
    client.close()


def test_an_engine_that_cannot_start_is_told(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    client = replace(running.client(), start_engine=lambda: ended)
    client.start()
    with pytest.raises(GenerationError, match="could not be started"):
        draw(client, request())
    monkeypatch.setattr(resident_client, "START_SECONDS", 0.0)
    client = replace(
        running.client(), start_engine=lambda: cast("subprocess.Popen[bytes]", Alive())
    )
    client.start()
    with pytest.raises(GenerationError, match="could not be started"):
        draw(client, request())


# The socket.


def test_the_socket_s_folder_is_its_owner_s_alone(tmp_path: Path) -> None:
    folder = tmp_path / "engine"
    folder.mkdir(mode=0o777)
    door = listen(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / NAME).stat().st_mode) == 0o600
    closed(door)


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "engine").symlink_to(tmp_path / "real")
    with pytest.raises(StorageError):
        listen(tmp_path / "engine")
    assert connect(tmp_path / "engine") is None


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc: long paths are not used")
def test_a_home_may_lie_deep(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 100) / ("e" * 100)
    folder.parent.mkdir(parents=True)
    door = listen(folder)
    line = connect(folder)
    assert line is not None
    accepted, _ = door.accept()
    line.send(Retire(patient=False))
    assert Line(accepted).recv() == Retire(patient=False)
    line.close()
    closed(door)
    assert os.listdir(folder) == [NAME]
