"""Starts `cems` in forks of one process that has torch imported: real processes, at once.

Importing what draws takes ten times as long as drawing a small picture. What a fork inherits is
imported modules only: it has its own environment, folder, streams, signals and exit code.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module, invalidate_caches
from pathlib import Path
from pkgutil import walk_packages
from tempfile import TemporaryDirectory
from typing import IO, NoReturn

from cems_tui import services
from cems_tui.__main__ import main
from cems_tui.cli import commands

HEAVY = (
    "torch",
    "torch._dynamo",
    "torchvision",
    "transformers.models.clip.modeling_clip",
    "diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion",
    "open_clip",
    "sqlite_utils",
    "pyarrow.parquet",
    "typer._adapters",
)
"""What the commands import of others when they are called, draw, score and record."""

Meanwhile = Callable[[int, Path], None]
"""Called with the command's process and the file that is its stdout, while it runs."""


@dataclass(frozen=True)
class Order:
    """A command to run."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: str
    streams: Sequence[str]
    """The files that are its stdin, stdout and stderr."""

    seconds: int
    """How long it may take."""


class ForkServer:
    """The process that forks, and the line to it."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._starter = os.getpid()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.cli.fork_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            cwd=folder,
            text=True,
        )

    def run(
        self,
        arguments: Sequence[str | bytes],
        environment: Mapping[str, str],
        folder: Path,
        stdin: bytes,
        seconds: float,
        meanwhile: Meanwhile = lambda process, out: None,
    ) -> tuple[int, bytes, bytes]:
        """The command's exit code (less than 0: the signal) and its stdout and stderr."""
        with TemporaryDirectory() as place:
            streams = [Path(place, name) for name in ("stdin", "stdout", "stderr")]
            for stream in streams:
                stream.write_bytes(stdin if stream.name == "stdin" else b"")
            order = Order(
                [os.fsdecode(argument) for argument in arguments],
                environment,
                str(folder),
                [str(stream) for stream in streams],
                int(seconds),
            )
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            print(json.dumps(asdict(order)), file=self._process.stdin, flush=True)
            meanwhile(int(self._process.stdout.readline()), streams[1])
            code = int(self._process.stdout.readline())
            return code, streams[1].read_bytes(), streams[2].read_bytes()

    def close(self) -> None:
        """End it; a fork of the process that started it has only a copy of the line to it."""
        if os.getpid() == self._starter:
            self._process.communicate()


def serve(orders: IO[str], answers: IO[str]) -> None:
    """Fork for every order; answer with its process, and with its exit code when it has ended."""
    for module in (*HEAVY, *ours()):
        import_module(module)
    gc.freeze()  # what is here is never looked through again, nor copied by looking
    for line in orders:
        child = os.fork()
        if not child:
            become(Order(**json.loads(line)))
            leave(main())
        print(child, file=answers, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), file=answers, flush=True)


def ours() -> Iterator[str]:
    """Every command and all that it imports of ours; what they read of the environment they read
    when they run."""
    for package in (commands, services):
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            yield module.name


def become(order: Order) -> None:
    """Have the environment, folder, streams and arguments of the order."""
    os.chdir(order.folder)
    os.umask(0o022)
    os.environ.clear()
    os.environ.update(order.environment)
    sys.path[:0] = order.environment["PYTHONPATH"].split(os.pathsep)
    invalidate_caches()
    sys.argv[1:] = order.arguments
    for number, stream in enumerate(order.streams):
        file = os.open(stream, os.O_WRONLY | os.O_APPEND if number else os.O_RDONLY)
        os.dup2(file, number)
        os.close(file)
    signal.alarm(order.seconds)


def leave(code: int) -> NoReturn:
    """End with this code, without the seconds that taking torch down would need."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    with os.fdopen(os.dup(0)) as orders, os.fdopen(os.dup(1), "w") as answers:
        serve(orders, answers)
