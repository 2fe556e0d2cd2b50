"""Real commands that are killed, refused room or refused permission at any moment.

After each fault the home is whole: the database is sound, every row has its picture and every
picture its row, nothing stands twice, what lies about is told by `doctor` or gone, every router
and model can be read, and the same command given again ends well.

`python -m tests.suites.faults --moments 300 --seed 1` runs random moments in turn over all
commands; `--points` goes through every point between two writes of each of them.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import gc
import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from cems_tui import paths
from cems_tui.__main__ import main as cems_main
from cems_tui.files import clear_leftovers
from cems_tui.store.receipts import read_receipt
from tests.cli.cems import environment
from tests.cli.fork_server import HEAVY, Order, become, leave

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
WRITES = ("replace", "rename", "link", "symlink", "unlink", "remove", "fsync", "mkdir", "rmdir")
"""The calls of the system between which a whole state has to lie."""

STATEMENTS = ("BEGIN", "COMMIT", "INSERT", "UPDATE", "DELETE", "RELEASE", "SAVEPOINT")
FaultKind = Literal["kill", "full", "denied"]
ERRORS: dict[str, int] = {"full": errno.ENOSPC, "denied": errno.EACCES}


@dataclass(frozen=True)
class Command:
    """A command that writes."""

    arguments: tuple[str, ...]
    again: tuple[str, ...] = ()
    """What goes on after a fault; the command itself when empty."""

    may_be_done: bool = False
    """Whether `again` may say that there is nothing left to do (exit 2)."""

    @property
    def name(self) -> str:
        return " ".join(self.arguments[:2])


COMMANDS = (
    Command(("generate", "a red cat", "two dogs", "--function", "starter-turbo@1", "-q")),
    Command(
        ("bench", "run", "--prompts", "prompts.txt", "--name", "new", "-q",
         "--functions", "starter-turbo@1,starter-small@4"),
        ("bench", "run", "--prompts", "prompts.txt", "--name", "new", "--resume", "-q",
         "--functions", "starter-turbo@1,starter-small@4"),
    ),
    Command(("bench", "rm", "made", "--yes"), may_be_done=True),
    Command(("bench", "import", "scores.csv", "--name", "told")),
    Command(("router", "train", "--bench", "scores", "--kind", "ridge", "--name", "fresh")),
    Command(("router", "use", "other")),
    Command(("router", "rm", "other", "--yes"), may_be_done=True),
    Command(("import", "pipeline", "--name", "mine", "--copy", "--no-probe"), may_be_done=True),
    Command(("rm", "theirs", "--yes"), may_be_done=True),
    Command(("history", "rm", "--all", "--yes"), may_be_done=True),
    Command(("history", "rm", "--all", "--forever", "--yes"), may_be_done=True),
    Command(("config", "set", "routing.tradeoff", "0.25")),
)  # fmt: skip


class Fault(Exception):
    """What was found not whole."""


@dataclass(frozen=True)
class Ended:
    """How a process went."""

    code: int
    out: str
    err: str
    seconds: float


def run(
    arguments: Sequence[str],
    home: Path,
    harm: Callable[[], None] = lambda: None,
    after_seconds: float | None = None,
    number: int = signal.SIGKILL,
) -> Ended:
    """`cems` in a fork, with a fault planted in it, or sent a signal after a while."""
    place = Path(tempfile.mkdtemp())
    streams = [place / name for name in ("stdin", "stdout", "stderr")]
    for stream in streams:
        stream.touch()
    order = Order(
        list(arguments), environment(home), str(home.parent), list(map(str, streams)), 300
    )
    began = time.monotonic()
    child = os.fork()
    if not child:
        try:
            become(order)
            harm()
            leave(cems_main())
        finally:
            os._exit(70)
    if after_seconds is not None:
        time.sleep(after_seconds)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)
    _, status = os.waitpid(child, 0)
    told = [stream.read_text(errors="replace") for stream in streams[1:]]
    shutil.rmtree(place)
    return Ended(os.waitstatus_to_exitcode(status), *told, time.monotonic() - began)


def planted(at: int, kind: FaultKind, reached: Path) -> Callable[[], None]:
    """Kills the process before its write number `at`, or has that write refused."""

    def harm() -> None:
        count = 0

        def one_more() -> bool:
            nonlocal count
            count += 1
            if count != at:
                return False
            reached.touch()
            if kind == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            return True

        def guarded(call: Callable[..., Any]) -> Callable[..., Any]:
            def wrapped(*arguments: Any, **options: Any) -> Any:
                if one_more():
                    number = ERRORS[kind]
                    raise OSError(number, os.strerror(number))
                return call(*arguments, **options)

            return wrapped

        for name in WRITES:
            setattr(os, name, guarded(getattr(os, name)))
        if kind != "kill":
            return  # SQLite's own writes are refused by a full disk in the tests of the store
        connect = sqlite3.connect

        def traced(*arguments: Any, **options: Any) -> sqlite3.Connection:
            made = connect(*arguments, **options)

            def told(statement: str) -> None:
                if statement.lstrip().upper().startswith(STATEMENTS):
                    one_more()

            made.set_trace_callback(told)
            return made

        sqlite3.connect = traced  # type: ignore[assignment]

    return harm


# What is whole.


def expect_whole(home: Path) -> None:
    """Look at everything that is kept.

    Raises:
        Fault: with what is wrong.
    """
    for listing in (("history", "ls"), ("ls",), ("router", "ls"), ("bench", "ls"), ("doctor",)):
        ended = run((*listing, "--json"), home)
        if ended.code != 0 or "Traceback" in ended.err or "bug of ours" in ended.err:
            raise Fault(f"{' '.join(listing)} ends in {ended.code}: {ended.err[-400:]}")
    for router in json.loads(run(("router", "ls", "--json"), home).out):
        ended = run(("router", "show", router["router"], "--json"), home)
        if ended.code != 0:
            raise Fault(f"the router {router['router']} cannot be shown: {ended.err[-300:]}")
    _expect_sound_database(home)


def expect_whole_pictures(home: Path) -> None:
    """After a command that draws: every row and its picture.

    Raises:
        Fault: one is without the other, or stands twice.
    """
    rows = json.loads(run(("history", "ls", "--json", "--limit", "100000"), home).out)
    ids = Counter(row["id"] for row in rows)
    if twice := [one for one, count in ids.items() if count > 1]:
        raise Fault(f"rows stand twice: {twice}")
    for row in rows:
        image = Path(row["image"])
        if not image.is_file() or read_receipt(image)["id"] != row["id"]:
            raise Fault(f"the row {row['id']} has not its picture")
    pictures = {read_receipt(path)["id"] for path in (home / "pictures").rglob("*.png")}
    if alone := pictures - set(ids):
        raise Fault(f"pictures without a row: {alone}")
    if left := [str(path) for path in (home / "pictures").rglob(".*.cems-tmp")]:
        raise Fault(f"half files stay: {left}")


def _expect_sound_database(home: Path) -> None:
    found = list(home.glob("*.db")) + list(home.glob("*.sqlite*"))
    for path in [path for path in found if path.suffix not in (".db-wal", ".db-shm")]:
        if path.name.endswith(("-wal", "-shm")):
            continue
        with sqlite3.connect(path) as database:
            for check in ("integrity_check", "foreign_key_check"):
                said = database.execute(f"PRAGMA {check}").fetchall()
                if said not in ([("ok",)], []):
                    raise Fault(f"{check} of {path.name}: {said[:3]}")


# The home that all begin with.


def prepared(place: Path) -> Path:
    """A home with pictures, a benchmark, tables, routers and an imported model."""
    home = place / "home"
    (place / "prompts.txt").write_text("a red cat\ntwo dogs\na house\n")
    shutil.copytree(paths.checkpoints() / "starter" / "starter-turbo", place / "pipeline")
    rows = ["prompt_id,prompt,function,metric,score"]
    chance = random.Random(5)
    for number in range(60):
        for function, mean in (("starter-turbo@1", 4.0), ("starter-small@4", 4.4)):
            value = mean + chance.random() + (number % 2) * (function < "starter-t")
            animals = "cats" if number % 2 else "dogs"
            prompt = f"{number},a picture of {number} {animals}"
            rows.append(f"{prompt},{function},nima,{value:.3f}")
    (place / "scores.csv").write_text("\n".join(rows) + "\n")
    functions = "starter-turbo@1,starter-small@4"
    for arguments in (
        ("generate", "a blue car", "a tree", "--function", "starter-turbo@1", "-q"),
        ("bench", "run", "--prompts", "prompts.txt", "--name", "made", "--functions", functions),
        ("bench", "import", "scores.csv", "--name", "scores"),
        ("router", "train", "--bench", "scores", "--kind", "ridge", "--name", "other"),
        ("import", "pipeline", "--name", "theirs", "--copy", "--no-probe"),
    ):
        ended = run(arguments, home)
        if ended.code != 0:
            raise Fault(f"{arguments} ends in {ended.code}: {ended.err}")
    return home


def fresh_copy(template: Path) -> Path:
    """A home of its own like the template, beside copies of what the commands read."""
    place = Path(tempfile.mkdtemp(dir=template.parent.parent))
    shutil.copytree(template.parent, place, dirs_exist_ok=True, symlinks=True)
    return place / template.name


def tried(command: Command, home: Path, hurt: Ended) -> None:
    """What must hold after the command was hurt.

    Raises:
        Fault: it does not.
    """
    words = hurt.err
    if "Traceback" in words or "bug of ours" in words or hurt.code == 70:
        raise Fault(f"it says {words[-500:]}")
    expect_whole(home)
    again = run(command.again or command.arguments, home)
    if again.code != 0 and not (command.may_be_done and again.code in (2, 3)):
        raise Fault(f"given again it ends in {again.code}: {again.err[-400:]}")
    expect_whole(home)
    if "generate" not in command.arguments:
        drawn = run(("generate", "a boat", "--function", "starter-turbo@1", "-q"), home)
        if drawn.code != 0:
            raise Fault(f"a picture afterwards ends in {drawn.code}: {drawn.err[-300:]}")
    expect_whole_pictures(home)
    if command.arguments[:2] == ("bench", "run"):
        _expect_bench(home)
    if left := clear_leftovers(home, 0.0):
        raise Fault(f"half files lie in the home: {left}")


def _expect_bench(home: Path) -> None:
    exported = run(("bench", "export", "new", "--format", "jsonl"), home)
    if exported.code != 0:
        raise Fault(f"the benchmark cannot be exported: {exported.err[-300:]}")
    keys = Counter(
        tuple(row[name] for name in ("prompt_id", "function", "metric", "seed"))
        for row in map(json.loads, exported.out.splitlines())
    )
    if any(count > 1 for count in keys.values()) or len(keys) != 12:
        raise Fault(f"the benchmark has {len(keys)} of 12 scores: {keys.most_common(3)}")


def moments(count: int, seed: int, template: Path, tell: Callable[[str], None]) -> int:
    """Signals at random moments of random commands; how many faults there were."""
    chance, faults = random.Random(seed), 0
    lengths: dict[Command, float] = {}
    for number in range(count):
        command = COMMANDS[number % len(COMMANDS)]
        if command not in lengths:
            home = fresh_copy(template)
            lengths[command] = run(command.arguments, home).seconds
            shutil.rmtree(home.parent)
        after, sent = chance.uniform(0, lengths[command]), chance.choice(SIGNALS)
        home = fresh_copy(template)
        hurt = run(command.arguments, home, after_seconds=after, number=sent)
        about = f"{number} {command.name} {sent.name} after {after:.3f} s, ended {hurt.code}"
        faults += _judged(command, home, hurt, about, tell)
    return faults


def points(
    template: Path, tell: Callable[[str], None], commands: Sequence[Command] = COMMANDS
) -> tuple[int, int]:
    """Every write of every command: killed before it, refused room, refused permission.

    Returns:
        How many points there were, and how many faults.
    """
    tried_points = faults = 0
    for command in commands:
        kinds: tuple[FaultKind, ...] = ("kill", "full", "denied")
        for kind in kinds:
            at = 0
            while True:
                at += 1
                home = fresh_copy(template)
                reached = home.parent / "reached"
                hurt = run(command.arguments, home, planted(at, kind, reached))
                if not reached.exists():
                    shutil.rmtree(home.parent)
                    break
                tried_points += 1
                about = f"{command.name} {kind} before write {at}, ended {hurt.code}"
                faults += _judged(command, home, hurt, about, tell)
        tell(f"{command.name}: done, {tried_points} points so far")
    return tried_points, faults


def _judged(
    command: Command, home: Path, hurt: Ended, about: str, tell: Callable[[str], None]
) -> int:
    try:
        tried(command, home, hurt)
    except Fault as fault:
        tell(f"FAULT {about}: {fault}")
        return 1
    finally:
        shutil.rmtree(home.parent)
    return 0


def main() -> None:
    """Runs the suite by hand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moments", type=int, default=0, help="random moments to try")
    parser.add_argument("--points", action="store_true", help="every point between two writes")
    parser.add_argument("--only", default="", help="commands that begin so")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    for module in HEAVY:
        import_module(module)
    gc.freeze()

    def tell(text: str) -> None:
        print(text, flush=True)

    with tempfile.TemporaryDirectory() as folder:
        template = prepared(Path(tempfile.mkdtemp(dir=folder)))
        expect_whole(template)
        faults = 0
        if chosen.points:
            commands = [one for one in COMMANDS if one.name.startswith(chosen.only)]
            count, faults = points(template, tell, commands)
            tell(f"{count} points, {faults} faults")
        if chosen.moments:
            found = moments(chosen.moments, chosen.seed, template, tell)
            tell(f"{chosen.moments} moments with seed {chosen.seed}, {found} faults")
            faults += found
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
