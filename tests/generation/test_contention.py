"""What waited for a processor is told from what worked."""

from __future__ import annotations

from pathlib import Path

import pytest

from cems_tui.generation import contention
from cems_tui.generation.contention import Contention


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kernel's files of two threads and a group, written by the test."""
    monkeypatch.setattr(contention, "_THREADS", tmp_path / "task")
    monkeypatch.setattr(contention, "_GROUP", tmp_path / "cpu.stat")
    return tmp_path


def told(kernel: Path, **threads: str) -> None:
    for thread, figures in threads.items():
        folder = kernel / "task" / thread
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "schedstat").write_text(figures)


def test_the_share_that_stood_ready_without_a_processor_is_what_waited(kernel: Path) -> None:
    told(kernel, t1="1000 5000 3", t2="0 0 0")
    measured = Contention("cpu")
    measured.start()
    told(kernel, t1="2000 7000 9", t2="1000 0 1", t3="0 2000 1")
    assert measured.share() == pytest.approx(4000 / 6000)


def test_a_thread_that_ended_or_never_ran_says_nothing(kernel: Path) -> None:
    told(kernel, t1="1000 5000 3")
    measured = Contention("cpu")
    measured.start()
    assert measured.share() == 0.0
    (kernel / "task" / "t1" / "schedstat").unlink()
    (kernel / "task" / "t1").rmdir()
    assert measured.share() == 0.0


def test_what_a_quota_withheld_is_no_busy_hour(kernel: Path) -> None:
    told(kernel, t1="0 0 0")
    (kernel / "cpu.stat").write_text("usage_usec 10\nthrottled_usec 5\n")
    measured = Contention("cpu")
    measured.start()
    told(kernel, t1="1000 9000 3")
    assert measured.share() == pytest.approx(0.9)
    (kernel / "cpu.stat").write_text("usage_usec 20\nthrottled_usec 905\n")
    assert measured.share() is None


def test_where_the_kernel_is_silent_the_clocks_tell(
    kernel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall, used = iter([0.0, 10.0]), iter([0.0, 2.5])
    monkeypatch.setattr(contention.time, "perf_counter", lambda: next(wall))
    monkeypatch.setattr(contention.time, "process_time", lambda: next(used))
    measured = Contention("cpu")
    measured.start()
    assert measured.share() == pytest.approx(0.75)


def test_a_device_with_a_queue_of_its_own_is_not_measured() -> None:
    measured = Contention("cuda")
    measured.start()
    assert measured.share() is None
