"""Controls of a terminal in whatever others write, through every command: none is obeyed.

`python -m tests.suites.controls` goes through every command, each of its arguments and options,
and the names of hostile things that are there, in a pipe and in a pseudo-terminal.
"""

from __future__ import annotations

import os
import re
import sys
from collections import Counter, defaultdict

from cems_tui.cli.main import main as cems
from tests.cli.cems import Ran, environment
from tests.cli.hostile import EVIL, assert_nothing_is_obeyed, command_lines, hostile_home
from tests.cli.terminal import at_terminal
from tests.suites.processes import Forks, import_all, kept_by_forks

OURS = re.compile(r"\r|\x1b\[(?:\d*[AK]|\?25[lh]|\?2026[hl])")
"""How a line of progress is replaced."""

GOES_ON = {("starter", "build"), ("vote",), ("completion",)}
"""Those that work for hours, ask, or print a script."""


def main() -> None:
    """Runs the suite by hand."""
    with kept_by_forks() as folder:
        import_all()
        place = folder.resolve()
        home = place / "home"
        forks = Forks()
        os.environ.update(environment(home))
        os.chdir(place)

        def run(*arguments: str) -> Ran:
            ended = forks.run(arguments, home)
            return Ran(ended.code, ended.out, ended.err)

        picture = hostile_home(run, place)
        known = ["bad", "good", "evil", "model", f"model{EVIL}", f"b{EVIL}"]
        known += ["plain.png", "evil.csv", picture.stem, str(picture)]
        groups = defaultdict(list)
        for path, line in command_lines(known):
            if path not in GOES_ON:
                groups[path].append(line)
        faults, codes = 0, Counter[int]()
        for path, lines in groups.items():
            for line, piped in zip(lines, forks.look(lines, home), strict=False):
                codes[piped.code] += 1
                table = piped.code == 0 and path[-1] == "export"  # goes into a pipe as it is
                ran = Ran(piped.code, "" if table else piped.out, piped.err)
                faults += _is_fault(ran, f"{_written(line)} in a pipe")

            def in_turn(lines: list[list[str]] = lines) -> int:
                return max(cems(line) for line in lines)

            code, shown = at_terminal(in_turn)
            faults += _is_fault(Ran(code, OURS.sub("", shown), ""), f"{path} in a terminal")
            print(f"{' '.join(path)}: {len(lines)} lines", flush=True)
        print(
            f"{sum(codes.values())} lines in a pipe and in a terminal, {faults} faults, "
            f"exits {dict(sorted(codes.items()))}"
        )
    sys.exit(1 if faults else 0)


def _is_fault(ran: Ran, about: str) -> bool:
    try:
        assert_nothing_is_obeyed(ran)
        assert ran.code in (0, 2, 3, 7, 8, 130), f"exit {ran.code}: {ran.err}"
        for words in ("bug of ours", "Traceback"):
            assert words not in ran.out + ran.err, (ran.out + ran.err)[-600:]
    except AssertionError as error:
        print(f"FAULT {about}: {str(error)!r}"[:900], flush=True)
        return True
    return False


def _written(line: list[str]) -> str:
    return " ".join(line).encode("unicode_escape").decode()[:150]


if __name__ == "__main__":
    main()
