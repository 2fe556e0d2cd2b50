"""`cems pull` against `hf download` of the same files from the same server: whole processes.

Ours reads every byte once more (sha256) and flushes it to the disk before it counts; the peer
does neither.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks.row import median_ratio, row
from tests.cli.cems import ROOT, environment
from tests.models.hub_fixtures import UNET, WANTED, pipeline_files

PAIRS = 5
MEGABYTES = int(os.environ.get("CEMS_BENCH_PULL_MB", "384"))
REPO = "org/Tiny"


def run() -> dict[str, Any]:
    """The ratio of bytes a second, paired; the control is the peer against itself."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("CEMS_BENCH_DIR")) as folder:
        work = Path(folder)
        total = _write_repository(work / "repos" / REPO)
        with _server(work / "repos") as url:
            ours, peers, again = [], [], []
            for _ in range(PAIRS):
                ours.append(total / _ours(work, url))
                peers.append(total / _peer(work, url))
                again.append(total / _peer(work, url))
    value, spread = median_ratio(ours, peers)
    control, _ = median_ratio(again, peers)
    return row(
        "cems pull, bytes a second",
        "hf download",
        0.95,
        value,
        ci95=spread,
        control=control,
        at_least=True,
        megabytes=total / 1e6,
        megabytes_per_second=sorted(ours)[PAIRS // 2] / 1e6,
        peer_megabytes_per_second=sorted(peers)[PAIRS // 2] / 1e6,
    )


def _write_repository(folder: Path) -> int:
    """A pipeline whose unet is large, of files that both fetch."""
    files = pipeline_files(1000)
    files = {path: data for path, data in files.items() if path in WANTED}
    chance = random.Random(0)
    files[UNET] = b"".join(chance.randbytes(1_000_000) for _ in range(MEGABYTES))
    for path, data in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return sum(map(len, files.values()))


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.models.fake_hub", str(folder)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.communicate("")


def _ours(work: Path, url: str) -> float:
    command = [sys.executable, "-m", "cems_tui", "pull", REPO, "-q"]
    return _seconds(command, work, url)


def _peer(work: Path, url: str) -> float:
    command = [str(Path(sys.executable).with_name("hf")), "download", REPO, "--quiet"]
    return _seconds(command, work, url)


def _seconds(command: list[str], work: Path, url: str) -> float:
    """Wall seconds of a command that begins with nothing."""
    told = {
        "HF_ENDPOINT": url,
        "HF_HUB_OFFLINE": "",
        "HF_HOME": str(work / "hf"),
        "NO_PROXY": "*",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    }
    began = time.perf_counter()
    subprocess.run(
        command, check=True, capture_output=True, env=environment(work / "home", told), cwd=work
    )
    seconds = time.perf_counter() - began
    for left in ("hf", "home"):
        shutil.rmtree(work / left, ignore_errors=True)
    return seconds
