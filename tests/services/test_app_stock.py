"""The app's planner and its engine learn of what is pulled or removed while they run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cems_tui import paths
from cems_tui.app_engine import AppPlanner, AppSession
from cems_tui.catalog.recommend import Gain, verdict
from cems_tui.domain.decision import Policy
from cems_tui.domain.request import Request
from cems_tui.errors import UnknownName
from cems_tui.models.ledger import Entry, Ledger, PinnedFile
from cems_tui.models.plan import fetched_bytes
from cems_tui.profile import Profile

PINNED = Request(id="01J", prompt="a cat", policy=Policy.pinned("tiny@20"))
COMMIT = "0" * 40


def install(steps: tuple[int, ...] = (20,)) -> Entry:
    """A model of a few bytes that counts as pulled."""
    models = paths.current().models
    folder = models / "org--Tiny" / COMMIT
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "unet.safetensors").write_bytes(b"12345678")
    entry = Entry(
        "tiny",
        repo="org/Tiny",
        commit=COMMIT,
        files=(PinnedFile("unet.safetensors", 8),),
        folder=f"org--Tiny/{COMMIT}",
        pipeline="StableDiffusionPipeline",
        family="stable-diffusion",
        licence="mit",
        steps=steps,
    )
    return Ledger.read(models).write(entry)


def test_the_stamp_changes_with_every_pull_and_every_removal() -> None:
    profile = Profile.current()
    before = profile.catalog_stamp()
    entry = install()
    pulled = profile.catalog_stamp()
    Ledger.read(paths.current().models).removed(entry)
    assert len({before, pulled, profile.catalog_stamp()}) == 3
    assert profile.catalog_stamp() == profile.catalog_stamp()


def test_the_card_has_what_was_pulled_since_and_not_what_was_removed() -> None:
    planner = AppPlanner(Profile.current())
    with pytest.raises(UnknownName):
        planner.decide(PINNED, frozenset())
    entry = install()
    assert planner.decide(PINNED, frozenset()).choice == "tiny@20"
    Ledger.read(paths.current().models).forget(entry)
    with pytest.raises(UnknownName):
        planner.decide(PINNED, frozenset())


def test_an_engine_that_is_open_draws_with_what_was_pulled_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[str] = []

    @contextmanager
    def engine(profile: Profile, **options: Any) -> Iterator[Any]:
        with profile.planner() as planner:

            def run(request: Request, emit: Any, stop: Any) -> None:
                drawn.append(",".join(f.name for f in planner.catalog.installed()))

            session = SimpleNamespace(run=run, resident=frozenset)
            hold = SimpleNamespace(acquire=lambda **waiting: None, held=False)
            yield SimpleNamespace(planner=planner, session=session, hold=hold)

    monkeypatch.setattr(Profile, "engine", engine)
    session = AppSession(Profile.current(), None)
    for _ in range(2):
        session.run(PINNED, lambda event: None, lambda: False)
        install()
    assert "tiny@20" not in drawn[0]
    assert "tiny@20" in drawn[1]
    session.close()


def test_the_keeper_knows_the_pack_the_catalog_and_what_is_the_user_s() -> None:
    install((4, 20))
    library = Profile.current().keeper().read()
    mine, base, turbo = (library.of(n) for n in ("tiny", "starter-base", "sd-turbo"))
    assert mine is not None
    assert base is not None
    assert turbo is not None
    assert (mine.group, mine.disk_bytes, mine.disk_estimated) == ("installed", 8, False)
    assert [one.function.steps for one in mine.functions] == [4, 20]
    assert mine.removable
    assert not base.removable
    assert not base.pullable
    assert turbo.pullable
    assert turbo.disk_estimated
    assert turbo.adds
    assert library.holdable >= 3
    assert library.free_bytes
    assert all(facts.model.role != "part" for facts in library.models)


def test_what_an_unfinished_pull_left_is_counted(tmp_path: Path) -> None:
    entry = Entry(
        "tiny",
        repo="org/Tiny",
        commit=COMMIT,
        files=(PinnedFile("a.json", 4), PinnedFile("unet/b.safetensors", 100)),
    )
    ledger = Ledger(tmp_path)
    assert fetched_bytes(entry, ledger) is None
    partial = tmp_path / ".partial" / "org--Tiny" / COMMIT
    (partial / "unet").mkdir(parents=True)
    assert fetched_bytes(entry, ledger) is None
    (partial / "a.json").write_bytes(b"1234")
    (partial / "unet" / "b.safetensors.part").write_bytes(b"x" * 37)
    assert fetched_bytes(entry, ledger) == 41


@pytest.mark.parametrize(
    ("gain", "drawn", "pictures", "lines"),
    [
        (None, 3, 10, ()),
        (
            Gain("mixed", 1.24, ("a",), 0.0, 0.19, 0.4),
            3,
            10,
            ("earns its disk: at most +0.19 mixed for 2.6 GB", "it drew 3 of 10 pictures here"),
        ),
        (
            Gain("mixed", 1.24, ("a",), 0.0, 0.004, 0.01),
            0,
            1,
            ("hardly earns its disk: under +0.01 mixed for 2.6 GB", "it drew 0 of 1 picture here"),
        ),
        (
            Gain("mixed", 1.24, (), None, None, None),
            0,
            0,
            (
                "earns its disk: 1.24 mixed for 2.6 GB, the only one scored",
                "no picture was drawn here yet",
            ),
        ),
    ],
)
def test_the_verdict_about_its_disk_is_two_lines_where_there_is_evidence(
    gain: Gain | None, drawn: int, pictures: int, lines: tuple[str, ...]
) -> None:
    assert verdict(gain, 2_600_000_000, drawn, pictures) == lines
