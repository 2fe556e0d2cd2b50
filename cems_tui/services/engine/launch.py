"""Starting a resident engine, and telling whether one that runs is still what would be started."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import cems_tui
from cems_tui import __version__

PACKAGE = Path(cems_tui.__file__).parent
PROGRAM = "cems_tui.resident_engine"
MATTERS = ("CEMS_", "HF_", "CUDA_", "NVIDIA_", "PYTORCH_", "TORCH_", "OMP_", "MKL_", "DIFFUSERS_")
"""How the variables begin that change what an engine does."""

DOES_NOT = ("CEMS_HOME", "CEMS_SESSION", "CEMS_TEST_SLOWER")
"""Said otherwise: the home by its folders, the session with each picture."""


def engine_key(places: Iterable[Path], watched: Iterable[Path]) -> str:
    """A digest of all that an engine is made of: another key is another engine.

    The code of this package, what is installed beside it, the variables that matter, the umask.

    Args:
        places: the folders it works in.
        watched: files, and folders of files, that an engine reads once.
    """
    umask = os.umask(0o077)
    os.umask(umask)
    variables = {
        name: value
        for name, value in sorted(os.environ.items())
        if name.startswith(MATTERS) and name not in DOES_NOT
    }
    told = [
        __version__,
        sys.executable,
        sorted(_stamps([PACKAGE], ".py")),
        [os.stat(place).st_mtime_ns for place in _installed()],
        [str(place.absolute()) for place in places],
        variables,
        umask,
        sorted(_stamps(watched)),
    ]
    return hashlib.sha256(json.dumps(told).encode("utf-8", "surrogateescape")).hexdigest()


def start_engine(key: str, keep_alive_seconds: float) -> subprocess.Popen[bytes]:
    """A process of its own, with no terminal, that ends long after this one.

    Raises:
        OSError: the system starts no process.
    """
    variables = dict(os.environ)
    if home := variables.get("CEMS_HOME"):
        variables["CEMS_HOME"] = str(Path(home).expanduser().absolute())
    given = variables.get("PYTHONPATH", "").split(os.pathsep)
    places = [os.path.abspath(place) for place in given if place]
    if PACKAGE.parent not in _installed():
        places.append(str(PACKAGE.parent))
    variables["PYTHONPATH"] = os.pathsep.join(places)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", PROGRAM, key, repr(keep_alive_seconds)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=variables,
        start_new_session=True,
    )


def _installed() -> list[Path]:
    """The folders that hold installed packages: they change with every installation."""
    found = (Path(place) for place in sys.path if Path(place).name.endswith("-packages"))
    return [place for place in found if place.is_dir()]


def _stamps(places: Iterable[Path], suffix: str = "") -> Iterator[tuple[str, int, int]]:
    """Name, time and size of files; what is not there has none."""
    for place in places:
        if place.is_dir():
            yield from _stamps(
                (found for found in place.iterdir() if found.is_dir() or found.suffix == suffix)
                if suffix
                else place.iterdir(),
                suffix,
            )
        elif place.exists():
            told = place.stat()
            yield (str(place), told.st_mtime_ns, told.st_size)
