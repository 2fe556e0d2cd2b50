"""What careful users found wrong before the first release, kept from coming back."""

from __future__ import annotations

import ast
import errno
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
import typer.main
from pydantic import TypeAdapter

from cems_tui import paths, settings
from cems_tui.bench.prompts import parse_prompts
from cems_tui.cancel import ENDS
from cems_tui.cli import main
from cems_tui.cli.command_table import plain
from cems_tui.cli.commands.bench.run import run
from cems_tui.cli.failures import failure_of
from cems_tui.cli.main import app
from cems_tui.cli.output import money_of
from cems_tui.domain.bill import BillLine, bill_of
from cems_tui.domain.score import MixedConstants, MixedScale
from cems_tui.errors import ConfigError, DeviceBusy, UsageError
from cems_tui.profile import Profile
from cems_tui.score_tables.mixed import mixed_value
from cems_tui.views.bill import bill_words
from cems_tui.views.figures import DOLLARS
from tests.cli.cems import ROOT, cems, environment
from tests.patience import PATIENCE


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CEMS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def shell(command: str, home: Path) -> subprocess.CompletedProcess[bytes]:
    """A command line in a shell, `cems` standing for this one's."""
    line = command.replace("cems", f'"{sys.executable}" -m cems_tui', 1)
    return subprocess.run(
        ["/bin/sh", "-c", line], capture_output=True, env=environment(home), timeout=PATIENCE
    )


def test_a_dial_too_large_for_a_float_is_a_usage_error() -> None:
    line = b'{"prompt": "x", "tradeoff": 1' + b"0" * 400 + b"}"
    with pytest.raises(UsageError, match=r"line 1: its tradeoff 1000.* is out of range"):
        parse_prompts(line, "p.txt")


def test_a_bill_without_a_known_price_says_so_instead_of_zero() -> None:
    unknown = BillLine("a", None, None)
    told = bill_words(bill_of([unknown], loads_included=False), DOLLARS)
    assert told.startswith("1 picture: the price is not known yet")
    lines = [unknown, BillLine("b", 0.3, 1.0, 0.2, 2.0), BillLine("b", 0.2, 1.0, 0.2, 2.0)]
    told = bill_words(bill_of(lines, loads_included=False), DOLLARS)
    assert told.startswith("3 pictures would cost ~$0.500 (~$250.00 per 1,000), 1 unpriced beside")
    assert "loading 2 models is not in it: ~$0.200 and 1 unknown; ~4 s" in told
    counted = bill_words(bill_of(lines, loads_included=True), DOLLARS)
    assert "counted in what was compared" in counted


def test_without_wait_a_busy_device_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float | None] = []

    @contextmanager
    def busy(profile: Profile, *, wait_seconds: float | None, **rest: object) -> Iterator[None]:
        waited.append(wait_seconds)
        raise DeviceBusy("the device is held by process 1")
        yield

    monkeypatch.setattr(Profile, "engine", busy)
    assert main(["generate", "a red car"]) == 7
    assert waited == [0.0]


@pytest.mark.parametrize("value", [float("nan"), -1.0])
def test_a_benchmark_is_not_run_with_a_budget_or_wait_that_means_nothing(value: float) -> None:
    with pytest.raises(UsageError, match="--budget"):
        run("starter", budget=value)
    with pytest.raises(UsageError, match="--wait"):
        run("starter", wait=value)


def test_a_full_disk_under_stdout_is_a_storage_failure() -> None:
    failure = failure_of(OSError(errno.ENOSPC, "No space left on device"), interrupted=False)
    assert (failure.exit_code, failure.message) == (
        8,
        "cannot write the output: No space left on device",
    )


def test_the_home_of_nobody_is_a_configuration_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CEMS_HOME", "~no-such-user-here/x")
    with pytest.raises(ConfigError, match="CEMS_HOME"):
        paths.current()
    assert main(["ls"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_home_that_is_a_file_is_told_by_the_doctor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setenv("CEMS_HOME", str(file))
    assert settings.read_document(paths.current().config_file) == {}
    [disk] = [one for one in Profile.current().doctor.examine() if one.subject == "disk"]
    assert (disk.status, disk.exit_code) == ("problem", 8)


def test_history_path_names_the_folder_that_the_settings_choose(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.mkdir()
    elsewhere = home / "elsewhere"
    (home / "config.toml").write_text(f'[generation]\npictures = "{elsewhere}"\n')
    assert main(["history", "path", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pictures"] == str(elsewhere)


def test_an_empty_id_is_no_picture(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why", ""]) == 2
    assert "there is no picture ''" in capsys.readouterr().err


def test_a_search_without_a_match_does_not_say_that_nothing_was_made(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["history", "ls", "--search", "unicorn"]) == 0
    assert capsys.readouterr().err == "no picture is like that\n"


def test_an_unnamed_session_does_not_make_the_hint_say_there_is_none(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["history", "stats", "--session", "nope"]) == 2
    assert "No session has a name yet" in capsys.readouterr().err


def test_stdin_beside_prompts_is_two_sources(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["route", "a red car", "-"]) == 2
    assert "stdin" in capsys.readouterr().err


def test_a_list_that_names_nothing_is_not_everything(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompts = tmp_path / "p.txt"
    prompts.write_text("a red car\n")
    command = ["bench", "run", "--prompts", str(prompts), "--dry-run"]
    assert main([*command, "--functions", ","]) == 2
    assert main([*command, "--metrics", ","]) == 2
    assert "--metrics names nothing" in capsys.readouterr().err


def test_validate_reports_a_broken_file_as_json_too(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.mkdir()
    (home / "config.toml").write_text("x =")
    assert main(["config", "validate", "--json"]) == 2
    [problem] = json.loads(capsys.readouterr().out)["problems"]
    assert "not valid TOML" in problem


@pytest.mark.skipif(os.name == "nt", reason="shell redirections of POSIX")
def test_closed_full_and_narrow_streams_change_no_exit_code(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert shell("cems config path >&-", home).returncode == 0
    refused = shell("cems why nothing 2>&-", home)
    assert (refused.returncode, refused.stdout) == (2, b"")
    if Path("/dev/full").exists():
        assert shell("cems config path >/dev/full", home).returncode == 8
        assert shell("cems why nothing 2>/dev/full", home).returncode == 2
    narrow = shell("PYTHONUTF8=0 PYTHONIOENCODING=latin-1 cems ls", home)
    assert (narrow.returncode, narrow.stderr) == (0, b"")


@pytest.mark.parametrize("asked", ENDS, ids=lambda number: signal.Signals(number).name)
def test_who_is_asked_to_end_says_that_it_was_heard(tmp_path: Path, asked: int) -> None:
    process = reading_without_end(tmp_path)
    process.send_signal(asked)
    _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + asked
    assert told.decode().splitlines()[0] == "error: interrupted"


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_what_nohup_has_ignored_stays_ignored(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = reading_without_end(tmp_path)
    finally:
        signal.signal(signal.SIGHUP, before)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + signal.SIGTERM
    assert told.decode().splitlines()[0] == "error: interrupted"


def reading_without_end(tmp_path: Path) -> subprocess.Popen[bytes]:
    """A command that reads prompts from a pipe whose end never comes."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cems_tui", "route", "-"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(tmp_path / "home"),
    )
    assert process.stdin is not None
    # more than a pipe holds: when it is written, some of it was read, and the end never comes
    process.stdin.write(b"a cat\n" * 50_000)
    process.stdin.flush()
    return process


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_a_reader_that_has_had_enough_is_no_failure(tmp_path: Path) -> None:
    script = "cems config show --json; echo $? >&2"
    ran = shell(f"{{ sleep 0.2; {script}; }} | true", tmp_path / "home")
    assert ran.stderr.decode().splitlines() == ["0"]


def test_ctrl_c_while_the_parser_is_imported_is_no_traceback(tmp_path: Path) -> None:
    script = """
import sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "cems_tui.cli":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
from cems_tui.__main__ import main
sys.exit(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        env=environment(tmp_path),
        timeout=PATIENCE,
    )
    assert done.returncode == 130
    assert done.stderr.decode().startswith("error: interrupted\n hint: ")


def test_ctrl_c_after_the_work_is_done_changes_nothing(tmp_path: Path) -> None:
    script = """
import atexit, os, signal, sys
from cems_tui.__main__ import main
atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))
sys.argv = ["cems", "--version"]
sys.exit(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        env=environment(tmp_path),
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"cems ")


def test_ctrl_c_that_a_library_swallowed_while_importing_keeps_the_exit_code(
    tmp_path: Path,
) -> None:
    script = """
import os, signal, sys
import cems_tui.__main__ as entry
import cems_tui.cli
def run():
    from cems_tui.cancel import catch_interrupts
    catch_interrupts()
    try:
        exec("import os, signal; os.kill(os.getpid(), signal.SIGINT); [0 for _ in range(10**5)]")
    except KeyboardInterrupt:
        pass
    return 0
cems_tui.cli.main = run
sys.exit(entry.main())
"""
    (tmp_path / "swallowing.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "-m", "swallowing"],
        capture_output=True,
        env={**environment(tmp_path), "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"},
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stderr) == (0, b"")


COMMAND = re.compile(r"`cems((?: [a-z-]+)*)")


def spoken(file: Path) -> Iterator[str]:
    """The texts of a source file that are not docstrings."""
    tree = ast.parse(file.read_text("utf-8"))
    silent = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in silent
        ):
            yield node.value


def test_every_command_that_a_message_names_exists() -> None:
    root: Any = typer.main.get_command(app)
    found = 0
    for file in (ROOT / "cems_tui").rglob("*.py"):
        for text in spoken(file):
            for words in COMMAND.findall(text):
                command, found = root, found + 1
                for word in words.split():
                    if word.startswith("-") or not hasattr(command, "commands"):
                        break
                    assert word in command.commands, f"{file.name} names `cems{words}`"
                    command = command.get_command(None, word)
    assert found > 10


def all_commands(group: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any, str]]:
    """Every command's path, the command itself, and what its group says of it."""
    for name, listed in group.commands.items():
        command = group.get_command(None, name)
        yield (*path, name), command, listed.help
        if hasattr(command, "commands"):
            yield from all_commands(command, *path, name)


def test_a_group_lists_each_command_with_the_help_that_the_command_gives_itself() -> None:
    told = list(all_commands(typer.main.get_command(app)))
    assert len(told) > 40
    for path, command, listed in told:
        assert command.name in ("", path[-1])
        assert " ".join(command.help.split("\n\n")[0].split()) == listed, path


def test_the_help_of_all_commands_imports_none_of_them(tmp_path: Path) -> None:
    script = """
import sys
from cems_tui.cli import main
main(["--help"])
print([name for name in sys.modules if "cems_tui.cli.commands" in name or name == "numpy"])
"""
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, env=environment(tmp_path), check=True
    )
    assert told.stdout.splitlines()[-1] == b"[]"


@pytest.mark.parametrize(
    "arguments",
    [
        ["history", "ls", "--limit", "3", "--json"],
        ["route", "a red car", "--tradeoff", "0.25", "--count", "2", "--load-cost", "on"],
        ["generate", "a red car", "--dry-run", "--seed", "7", "--order", "family"],
    ],
)
def test_what_is_plainly_right_is_taken_without_the_parsers_checker(
    arguments: list[str], tmp_path: Path
) -> None:
    script = f"""
import sys
from cems_tui.cli import main
assert main({arguments!r}) == 0
print([name for name in sys.modules if name == "pydantic"])
"""
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, env=environment(tmp_path), check=True
    )
    assert told.stdout.splitlines()[-1] == b"[]"


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (str, ["", " a ", "-1", "naïve"]),
        (int, ["0", "-3", "007", "12", " 12", "1.0", "1_000", "٣", "x", "", "9" * 30]),
        (float, ["0", "-3", ".5", "5.", "1e-3", "0.25", "1E3", "inf", "nan", "1_0", "٣", "x"]),
        (Literal["on", "off"], ["on", "off", "ON", ""]),
        (list[str], [[], ["a"], ["a", "-"]]),
        (list[int], [["1", "2"], ["1", "x"]]),
    ],
)
def test_what_is_plainly_right_is_what_the_parsers_checker_makes_of_it(
    kind: Any, values: list[Any]
) -> None:
    checker = TypeAdapter(kind)
    for value in values:
        taken = plain(kind, value)
        assert taken is None or taken == checker.validate_python(value), value
    assert any(plain(kind, value) is not None for value in values)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["history", "ls", "--limit", "0"], "--limit"),
        (["history", "ls", "--limit", "three"], "--limit"),
        (["generate", "a red car", "--dry-run", "--order", "backwards"], "--order"),
        (["route", "a red car", "--tradeoff", "half"], "'--tradeoff': 'half' is not a number"),
        (["route", "a red car", "--tradeoff", "0,5"], "'0,5' is not a number"),
        (["route", "a red car", "--budget-per-image", "$1"], "'$1' is not a number"),
        (["route", "a red car", "--count", "2.5"], "'2.5' is not a whole number"),
        (["history", "show"], "ID"),
    ],
)
def test_what_is_not_plainly_right_is_refused_with_its_name(
    arguments: list[str], words: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("command", [["route"], ["generate", "--dry-run"], ["generate"]])
def test_a_router_that_the_settings_ask_for_in_vain_is_told_with_the_setting(
    command: list[str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.mkdir(exist_ok=True)
    (home / "config.toml").write_text('[routing]\nrouter = "nonesuch"\n')
    assert main([*command, "a red car"]) == 2
    told = capsys.readouterr().err
    assert "no router named 'nonesuch', which the setting routing.router asks for" in told
    assert "cems router use" in told
    assert main(["config", "set", "routing.router", ""]) == 0
    assert main(["route", "a red car", "-q"]) == 0


def test_totals_are_shown_in_the_currency_of_the_settings() -> None:
    euros = settings.Settings.of({"pricing": {"currency": "EUR", "per_usd": 0.5}})
    assert money_of(euros).total(2.0) == "€1.00"
    assert money_of(euros).total(None) == "—"
    assert money_of(settings.Settings()).total(2.0) == "$2.00"


def test_a_picture_has_one_mixed_score_whoever_computes_it() -> None:
    ranges = {"nima": (3.0, 7.0), "clip": (10.0, 30.0)}
    scale = MixedScale("nima:1", "clip:1", MixedConstants.of(ranges))
    assert mixed_value({"nima": 5.1, "clip": 23.0}, ranges) == scale.score(5.1, 23.0)


@pytest.mark.parametrize("ours_only", [False, True])
def test_what_a_killed_engine_left_half_written_goes_with_the_next_one(
    tmp_path: Path, ours_only: bool
) -> None:
    from cems_tui.store.database import open_store
    from cems_tui.store.pictures import reconcile

    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    half = tmp_path / f".01A.png.{dead.pid}.cems-tmp"
    half.write_bytes(b"half")
    with open_store(tmp_path / "cems.db") as store:
        reconcile(store, tmp_path, ours_only=ours_only)
    assert half.exists() == ours_only  # elsewhere its writer may only be out of sight


@pytest.mark.parametrize("option", ["--session", "--negative", "--out"])
def test_an_argument_that_is_no_text_is_refused_before_any_work(
    tmp_path: Path, option: str
) -> None:
    ran = cems(b"generate", b"a cat", option.encode(), b"caf\xe9", home=tmp_path / "home")
    assert ran.code == 2
    assert "not valid UTF-8" in ran.err
    assert not (tmp_path / "home" / "cems.db").exists()
