"""Real commands that are killed, refused room, permission or the network, at any moment.

After each fault the home is whole: the database is sound, every row has its picture and every
picture its row, nothing stands twice, what lies about is told by `doctor` or gone, no process
stays, every router and model can be read, and the same command given again ends well.

`python -m tests.suites.faults --moments 300 --seed 1` sends signals at random moments of all
commands in turn; `--points` goes through the points between two writes of each of them, of which
`--every N` takes a sample;
`--disks`, `--denials`, `--damages`, `--networks` and `--apps` are numbers of disks that fill up,
of folders that may not be written or read, of damaged files, of failing hubs and of apps in a
terminal. What was tried is written to `--done FILE`, and not tried again by another run with it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGKILL, SIGTERM

from cems_tui import paths
from tests.models.fake_hub import Fault as HubFault
from tests.suites.processes import (
    Ended,
    FaultKind,
    Forks,
    Harm,
    Moment,
    as_ordinary_user,
    import_all,
    kept_by_forks,
    planted,
    unharmed,
)
from tests.suites.wholeness import (
    LONGEST_READ_SECONDS,
    Alone,
    Fault,
    expect_bench,
    expect_finished_queue,
    expect_nothing_left,
    expect_readable,
    expect_whole,
    expect_words,
)

SIGNALS = (SIGKILL, SIGTERM, SIGINT, SIGHUP)
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Command:
    """A command that writes."""

    arguments: tuple[str, ...]
    again: tuple[str, ...] = ()
    """What goes on after a fault; the command itself when empty."""

    may_be_done: bool = False
    """Whether `again` may say that there is nothing left to do (exit 2)."""

    asks_hub: bool = False
    leaves: Alone = "nothing"
    """What may be there alone after a kill: a drawn picture, until it is adopted; a row that is
    forgotten after its picture, of which nothing may come back."""

    scores: tuple[str, int] | None = None
    """A benchmark that is whole in the end, and its scores."""

    @property
    def name(self) -> str:
        return " ".join(self.arguments[:2])


DRAW = ("generate", "a red cat", "two dogs", "--function", "starter-turbo@1", "-q")
QUEUE = ("queue", "run", "-q")
BENCH = (
    *("bench", "run", "--prompts", "prompts.txt", "--name", "new", "-q"),
    *("--functions", "starter-turbo@1,starter-small@4"),
)
COMMANDS = (
    Command(DRAW, again=QUEUE, leaves="pictures"),
    Command(("queue", "add", *DRAW[1:]), again=QUEUE),
    Command(QUEUE, leaves="pictures"),
    Command(BENCH, again=(*BENCH, "--resume"), scores=("new", 12)),
    Command(("bench", "rescore", "made", "--scorers", "sharpness"), may_be_done=True),
    Command(("bench", "rm", "made", "--yes"), may_be_done=True),
    Command(
        ("bench", "import", "scores.csv", "--name", "told"), may_be_done=True, scores=("told", 120)
    ),
    Command(("router", "train", "--bench", "scores", "--kind", "ridge", "--name", "fresh")),
    Command(("router", "retrain", "other", "--from", "own")),
    Command(("router", "use", "other", "--force")),
    Command(("router", "rm", "other", "--yes"), may_be_done=True),
    Command(("router", "import", "other.zip", "--name", "told"), may_be_done=True),
    Command(("router", "export", "other", "--out", "again.zip"), may_be_done=True),
    Command(("import", "pipeline", "--name", "mine", "--copy", "--no-probe"), may_be_done=True),
    Command(("rm", "theirs", "--yes"), may_be_done=True),
    Command(("pull", "org/Tiny", "--steps", "4", "-q"), asks_hub=True),
    Command(("history", "rm", "--search", "tree", "--yes"), may_be_done=True),
    Command(
        ("history", "rm", "--search", "tree", "--forever", "--yes"), may_be_done=True, leaves="rows"
    ),
    Command(("history", "restore", "--all"), may_be_done=True),
    Command(("history", "backup", "copy.db"), may_be_done=True),
    Command(("config", "set", "routing.tradeoff", "0.25")),
)


@dataclass
class Suite:
    """The home that all faults begin with, what was tried, and what was found."""

    template: Path
    forks: Forks
    tell: Tell
    hub: Hub | None = None
    done: Path | None = None
    """Where what was tried is kept, a line each."""

    tried: int = 0
    faults: int = 0
    _known: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        if self.done is not None and self.done.exists():
            self._known = set(self.done.read_text().splitlines())

    @property
    def commands(self) -> list[Command]:
        """Those that can be tried here."""
        return [one for one in COMMANDS if self.hub is not None or not one.asks_hub]

    def expect_commands(self) -> None:
        """Unhurt, every command ends well: else nothing would be tried.

        Raises:
            Fault: one does not.
        """
        for command in self.commands:
            with self.home() as home:
                ended = self.forks.run(command.arguments, home)
                if ended.code != 0:
                    raise Fault(f"{command.name} ends in {ended.code} unhurt: {ended.err}")

    @contextmanager
    def home(self, within: Path | None = None) -> Iterator[Path]:
        """A home of its own like the template, beside copies of what the commands read."""
        place = Path(tempfile.mkdtemp(dir=within or self.template.parent.parent))
        try:
            shutil.copytree(self.template.parent, place, dirs_exist_ok=True, symlinks=True)
            yield place / self.template.name
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def trying(self, about: str, attempt: Callable[[], None]) -> None:
        """One fault, unless it was tried before; what is found is told and counted."""
        if about in self._known:
            return
        self.tried += 1
        try:
            attempt()
        except Fault as fault:
            self.faults += 1
            self.tell(f"FAULT {about}: {fault}")
            return
        if self.done is not None:
            with self.done.open("a") as file:
                file.write(f"{about}\n")

    def judge(self, command: Command, home: Path, hurt: Ended) -> None:
        """What must hold after the command was hurt, and after it was given again.

        Raises:
            Fault: it does not.
        """
        expect_words(hurt, "it")
        expect_whole(self.forks, home, alone=command.leaves)
        again = self.forks.run(command.again or command.arguments, home)
        if again.code != 0 and not (command.may_be_done and again.code in (2, 3)):
            raise Fault(f"given again it ends in {again.code}: {again.err[-400:]}")
        drawn = self.forks.run(QUEUE, home)
        if drawn.code != 0:
            raise Fault(f"the queue afterwards ends in {drawn.code}: {drawn.err[-300:]}")
        expect_whole(self.forks, home)
        expect_finished_queue(self.forks, home)
        if command.scores is not None:
            expect_bench(self.forks, home, *command.scores)
        expect_nothing_left(self.forks, home)

    def hurt_and_judged(
        self, command: Command, harm: Harm = unharmed, moment: Moment | None = None
    ) -> None:
        """One command in a home of its own."""
        with self.home() as home:
            hurt = self.forks.run(command.arguments, home, harm, moment)
            try:
                self.judge(command, home, hurt)
            except Fault as fault:
                raise Fault(f"ended {hurt.code}: {fault}") from None

    # Kinds of faults.

    def moments(self, count: int, seed: int) -> None:
        """Signals at random moments of all commands in turn."""
        chance = random.Random(f"moments {seed}")
        lengths: dict[Command, float] = {}
        for number in range(count):
            command = self.commands[number % len(self.commands)]
            share, sent = chance.random(), chance.choice(SIGNALS)
            if command not in lengths:
                with self.home() as home:
                    lengths[command] = self.forks.run(command.arguments, home).seconds
            moment = Moment(share * lengths[command], sent)
            self.trying(
                f"moment {seed} {number} {command.name} {sent.name} at {share:.3f}",
                partial(self.hurt_and_judged, command, moment=moment),
            )

    def points(
        self, commands: Sequence[Command], kinds: Sequence[FaultKind], first: int, every: int
    ) -> None:
        """Writes of every command: killed before it, refused room, refused permission."""
        for command in commands:
            for kind in kinds:
                at, reached = first - every, True
                while reached:
                    at += every
                    about = f"point {command.name} {kind} before write {at}"
                    sign = self.template.parent / "reached"
                    harm = planted(at, kind, sign)
                    known = about in self._known
                    self.trying(about, partial(self.hurt_and_judged, command, harm))
                    reached = known or sign.exists()
                    sign.unlink(missing_ok=True)
            self.tell(f"{command.name}: done, {self.tried} tried so far")

    def disks(self, count: int, seed: int) -> None:
        """Real disks with some bytes left; looking and freeing work when none is left."""
        chance = random.Random(f"disks {seed}")
        sizes = {command: self._written_bytes(command) for command in self.commands}
        for number in range(count):
            command = self.commands[number % len(self.commands)]
            free = int(chance.uniform(0, 1.2) * sizes[command])
            self.trying(
                f"disk {seed} {number} {command.name} with {free // 1024} KiB",
                partial(self._filled, command, free),
            )

    def _filled(self, command: Command, free: int) -> None:
        with _disk() as disk, self.home(disk) as home:
            _leave_free(disk, free)
            hurt = self.forks.run(command.arguments, home)
            expect_words(hurt, f"with {free} bytes, ended {hurt.code}, it")
            _leave_free(disk, 0)
            reads = [("history", "ls"), ("ls",), ("router", "ls"), ("route", "a cat")]
            for ended in self.forks.look(reads, home):
                if ended.code != 0:
                    raise Fault(f"on a full disk: {ended.code} {ended.err}")
            if command.arguments[0] != "rm":
                freed = self.forks.run(("rm", "theirs", "--yes"), home)
                if freed.code != 0:
                    raise Fault(f"a full disk cannot be freed: {freed.err}")
            _leave_free(disk, None)
            self.judge(command, home, hurt)

    def denials(self, count: int, seed: int) -> None:
        """Folders and files of the home that may not be written, or read."""
        chance = random.Random(f"denials {seed}")
        names = [path.relative_to(self.template) for path in sorted(self.template.rglob("*"))]
        names = [Path(), *(name for name in names if "--" not in str(name))]
        for number in range(count):
            command = self.commands[number % len(self.commands)]
            name, mode = chance.choice(names), chance.choice((0o500, 0o400, 0o000))
            self.trying(
                f"denial {seed} {number} {command.name} {name} {mode:o}",
                partial(self._denied, command, name, mode),
            )

    def _denied(self, command: Command, name: Path, mode: int) -> None:
        with self.home() as home:
            place = home / name
            before = place.stat().st_mode
            place.chmod(mode)
            try:
                expect_readable(self.forks, home, as_ordinary_user)
                hurt = self.forks.run(command.arguments, home, as_ordinary_user)
            finally:
                if place.exists():
                    place.chmod(before)
            self.judge(command, home, hurt)

    def damages(self, count: int, seed: int) -> None:
        """Files that are cut, overwritten, gone, or something else than a file."""
        chance = random.Random(f"damages {seed}")
        names = [path for path in sorted(self.template.rglob("*")) if path.is_file()]
        for number in range(count):
            command = self.commands[number % len(self.commands)]
            name = chance.choice(names).relative_to(self.template)
            damage = chance.choice(list(DAMAGES))
            self.trying(
                f"damage {seed} {number} {command.name} {name} {damage}",
                partial(self._damaged, command, name, damage, number),
            )

    def _damaged(self, command: Command, name: Path, damage: str, seed: int) -> None:
        with self.home() as home:
            DAMAGES[damage](home / name, random.Random(seed))
            expect_readable(self.forks, home)
            hurt = self.forks.run(command.arguments, home)
            expect_words(hurt, "it")
            if hurt.seconds > LONGEST_READ_SECONDS:
                raise Fault(f"it takes {hurt.seconds:.0f} s")

    def networks(self, count: int, seed: int) -> None:
        """Pulls from a Hub that fails in one or several ways, then from one that does not."""
        chance = random.Random(f"networks {seed}")
        for number in range(count):
            planned = [_failing(chance) for _ in range(chance.randint(1, 3))]
            self.trying(f"network {seed} {number} {planned}", partial(self._failed, planned))

    def _failed(self, planned: Sequence[tuple[str, HubFault]]) -> None:
        assert self.hub is not None
        [command] = [one for one in self.commands if one.asks_hub]
        with self.home() as home:
            self.hub.fail(planned)
            hurt = self.forks.run(command.arguments, home)
            self.hub.fail([])
            if hurt.code not in (0, 3):
                raise Fault(f"it ends in {hurt.code}: {hurt.err}")
            self.judge(command, home, hurt)
            [sound] = self.forks.look([("verify", "tiny")], home)
            if sound.code != 0:
                raise Fault(f"what was pulled is not sound: {sound.err}")

    def apps(self, count: int, seed: int) -> None:
        """The app in a terminal, ended at random moments while it opens, draws and waits."""
        chance = random.Random(f"apps {seed}")
        for number in range(count):
            moment = Moment(chance.uniform(0, 12), chance.choice((SIGKILL, SIGTERM, SIGHUP)))
            keys = [("Describe a picture above", b"a red cat\x07")] if number % 3 else []
            self.trying(f"app {seed} {number} {moment.words}", partial(self._app, moment, keys))

    def _app(self, moment: Moment, keys: Sequence[tuple[str, bytes]]) -> None:
        with self.home() as home:
            hurt = self.forks.app(home, keys, moment)
            expect_words(hurt, "the app")
            in_order = (128 + moment.number, -moment.number)
            if moment.number != SIGKILL and hurt.code not in in_order:
                raise Fault(f"the app ends in {hurt.code}")
            self.judge(Command(QUEUE, leaves="pictures"), home, hurt)

    def _written_bytes(self, command: Command) -> int:
        with self.home() as home:
            before = _bytes_in(home.parent)
            self.forks.run(command.arguments, home)
            return max(_bytes_in(home.parent) - before, 0) + 100_000


DAMAGES: dict[str, Callable[[Path, random.Random], object]] = {
    "emptied": lambda path, chance: path.write_bytes(b""),
    "cut": lambda path, chance: os.truncate(path, path.stat().st_size // 2),
    "flipped": lambda path, chance: path.write_bytes(_flipped(path.read_bytes(), chance)),
    "overwritten": lambda path, chance: path.write_bytes(chance.randbytes(5_000)),
    "gone": lambda path, chance: path.unlink(),
    "a folder": lambda path, chance: (path.unlink(), path.mkdir()),
    "a pipe": lambda path, chance: (path.unlink(), os.mkfifo(path)),
    "a link to itself": lambda path, chance: (path.unlink(), path.symlink_to(path)),
    "a device": lambda path, chance: (path.unlink(), path.symlink_to("/dev/zero")),
}


def _flipped(data: bytes, chance: random.Random) -> bytes:
    found = bytearray(data)
    for _ in range(min(len(found), 40)):
        found[chance.randrange(len(found))] ^= 1 << chance.randrange(8)
    return bytes(found)


def _bytes_in(folder: Path) -> int:
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*"))


# A disk of its own.

DISK_BYTES = 300_000_000


@contextmanager
def _disk() -> Iterator[Path]:
    """A file system in memory; only the superuser may make one."""
    place = Path(tempfile.mkdtemp())
    options = ["-t", "tmpfs", "-o", f"size={DISK_BYTES}"]
    subprocess.run(["mount", *options, "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
        place.rmdir()


def _leave_free(disk: Path, free: int | None) -> None:
    """So many bytes are free on it; None is what it has."""
    filling = disk / "filling"
    filling.unlink(missing_ok=True)
    if free is None:
        return
    room = shutil.disk_usage(disk).free - free
    with filling.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(room, 1))


# A Hub beside the suite.


def _failing(chance: random.Random) -> tuple[str, HubFault]:
    unet, api = "unet/diffusion_pytorch_model.safetensors", "/api/org/Tiny"
    return chance.choice(
        (
            (unet, HubFault(drop_after=chance.randrange(700_000))),
            (unet, HubFault(corrupt=True)),
            (unet, HubFault(shorten=chance.randint(1, 1_000))),
            (unet, HubFault(ignore_range=True)),
            (unet, HubFault(status=chance.choice((403, 404, 416, 429, 500, 503)))),
            (unet, HubFault(drop_after=chance.randrange(700_000), always=True)),
            ("model_index.json", HubFault(corrupt=True)),
            ("model_index.json", HubFault(status=503)),
            (api, HubFault(status=chance.choice((404, 500, 502)))),
        )
    )


class Hub:
    """A Hub in a process of its own, told over its stdin what is to go wrong."""

    def __init__(self, place: Path) -> None:
        from tests.models.hub_fixtures import pipeline_files

        for name, data in pipeline_files().items():
            path = place / "org" / "Tiny" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.models.fake_hub", str(place)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()

    def fail(self, planned: Sequence[tuple[str, HubFault]]) -> None:
        """What goes wrong from now on, and nothing else."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        told = json.dumps([(path, vars(fault)) for path, fault in planned])
        print(told, file=self._process.stdin, flush=True)
        self._process.stdout.readline()

    def close(self) -> None:
        """End it."""
        self._process.communicate()


# The home that all begin with.


def prepared(place: Path, forks: Forks) -> Path:
    """A home with pictures, a benchmark, tables, routers and an imported model."""
    home = place / "home"
    (place / "prompts.txt").write_text("a red cat\ntwo dogs\na house\n")
    shutil.copytree(paths.checkpoints() / "starter" / "starter-turbo", place / "pipeline")
    (place / "scores.csv").write_text(_scores(60, "a picture"))
    (place / "own.csv").write_text(_scores(130, "a drawing"))
    functions = "starter-turbo@1,starter-small@4"
    for arguments in (
        ("generate", "a blue car", "a tree", "--function", "starter-turbo@1", "-q"),
        ("generate", "a tree in the trash", "--function", "starter-turbo@1", "-q"),
        ("history", "rm", "--search", "trash", "--yes"),
        ("bench", "run", "--prompts", "prompts.txt", "--name", "made", "--functions", functions),
        ("bench", "import", "scores.csv", "--name", "scores"),
        ("bench", "import", "own.csv", "--name", "own"),
        ("router", "train", "--bench", "scores", "--kind", "ridge", "--name", "other"),
        ("router", "export", "other", "--out", "other.zip"),
        ("import", "pipeline", "--name", "theirs", "--copy", "--no-probe"),
        ("queue", "add", "a waiting boat", "--function", "starter-turbo@1", "-q"),
    ):
        ended = forks.run(arguments, home)
        if ended.code != 0:
            raise Fault(f"{arguments} ends in {ended.code}: {ended.err}")
    return home


def _scores(prompts: int, words: str) -> str:
    rows = ["prompt_id,prompt,function,metric,score"]
    chance = random.Random(5)
    for number in range(prompts):
        for function, mean in (("starter-turbo@1", 4.0), ("starter-small@4", 4.4)):
            value = mean + chance.random() + (number % 2) * (function < "starter-t")
            animals = "cats" if number % 2 else "dogs"
            prompt = f"{words[2:]}-{number},{words} of {number} {animals}"
            rows.append(f"{prompt},{function},nima,{value:.3f}")
    return "\n".join(rows) + "\n"


def main() -> None:
    """Runs the suite by hand."""
    parser = argparse.ArgumentParser(description=__doc__)
    for kind in ("moments", "disks", "denials", "damages", "networks", "apps"):
        parser.add_argument(f"--{kind}", type=int, default=0, metavar="N")
    parser.add_argument("--points", action="store_true", help="every point between two writes")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every Nth of them")
    parser.add_argument("--first", type=int, default=1, metavar="N", help="from the Nth on")
    parser.add_argument("--kinds", default="kill,full,denied", help="of points")
    parser.add_argument("--only", default="", help="commands that begin so")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--done", type=Path, help="a file of what was tried")
    chosen = parser.parse_args()
    with kept_by_forks() as folder:
        hub = Hub(Path(tempfile.mkdtemp(dir=folder)))
        extra = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "", "HF_HOME": f"{folder}/hf"}
        os.environ.update(extra)  # its library reads them when it is imported
        import_all()

        def tell(text: str) -> None:
            print(text, flush=True)

        forks = Forks({**extra, "NO_PROXY": "*"})
        suite = Suite(
            prepared(Path(tempfile.mkdtemp(dir=folder)), forks), forks, tell, hub, chosen.done
        )
        expect_whole(forks, suite.template)
        suite.expect_commands()
        if chosen.points:
            commands = [one for one in COMMANDS if one.name.startswith(chosen.only)]
            suite.points(commands, chosen.kinds.split(","), chosen.first, chosen.every)
        for kind in ("moments", "disks", "denials", "damages", "networks", "apps"):
            if count := getattr(chosen, kind):
                before = suite.tried, suite.faults
                getattr(suite, kind)(count, chosen.seed)
                tried, faults = suite.tried - before[0], suite.faults - before[1]
                tell(f"{kind} with seed {chosen.seed}: {tried} tried, {faults} faults")
        tell(f"{suite.tried} faults tried, {suite.faults} found")
        hub.close()
    sys.exit(1 if suite.faults else 0)


if __name__ == "__main__":
    main()
