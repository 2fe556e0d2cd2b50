"""What commands print: data on stdout, narration on stderr, JSON that any pipe can carry.

Nothing else in the command line prints. Whoever wrote a text, its control, format and
bidirectional characters are made visible here: a terminal obeys only what is ours.
"""

from __future__ import annotations

import io
import json
import logging
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

import typer

from cems_tui.cli.text_layout import GAP, Column, cut, folded, table_lines
from cems_tui.errors import UsageError
from cems_tui.files import picture_file
from cems_tui.text import redacted, visible
from cems_tui.views.figures import Money

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment
    from rich.text import Text

    from cems_tui.settings import Settings

USUAL_WIDTH = 80
"""Columns of a terminal that does not tell how many it has."""

PIPE_WIDTH = 160
"""Columns of a table that goes into a pipe: wide enough that nothing is cut."""


def prepare_streams() -> None:
    """Standard streams that are there and can carry any text, whoever started us.

    A closed one leads nowhere: its number would else go to the next file that is opened, and
    what is meant for stderr would go to stdout. A character that the encoding lacks is escaped,
    a file name that is not UTF-8 is written byte by byte as it is.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for the process
            setattr(sys, name, nowhere)
        elif isinstance(stream, io.TextIOWrapper):
            exact = name == "stdout" and stream.encoding.lower().replace("-", "") == "utf8"
            stream.reconfigure(errors="surrogateescape" if exact else "backslashreplace")


def json_line(value: Any) -> None:
    """One JSON object on one line of stdout, written at once. ASCII: safe in every locale."""
    print(_json(value), flush=True)


def json_document(value: Any) -> None:
    """One JSON document on stdout."""
    print(_json(value, indent=2), flush=True)


def _json(value: Any, indent: int | None = None) -> str:
    text = json.dumps(value, indent=indent, allow_nan=False)
    return text.replace("\x7f", "\\u007f")  # the one control that is left as it is


def line(text: str = "", *, hang: int | None = None) -> None:
    """One line of data on stdout; in a terminal words that have no room go on below.

    What is one word, a name or a path, stays whole: it is there to be copied.

    Args:
        hang: how far further lines are indented; None is where the words of the line begin.
    """
    whole = text.startswith("/") or not re.search(r"\S\s+\S", text)
    width = None if whole else width_of(sys.stdout)
    for part in folded(_shown(text), width, hang):
        print(part, flush=True)


def table(
    columns: Sequence[Column],
    rows: Iterable[Sequence[str]],
    *,
    titles: bool = True,
    gap: str = GAP,
) -> None:
    """A table on stdout: whole rows in a pipe, within its columns in a terminal."""
    for text in table_lines(columns, rows, width_of(sys.stdout), titles=titles, gap=gap):
        print(_shown(text), flush=True)


def script_line(text: str) -> None:
    """One line of a script, exactly as it is: another program reads it."""
    print(text, flush=True)


def width_of(stream: TextIO) -> int | None:
    """The columns of the terminal at a stream; None where there is none.

    `COLUMNS` says otherwise, and a terminal that does not know is taken for 80 wide.
    """
    if not stream.isatty():
        return None
    told = os.environ.get("COLUMNS", "")
    if told.isdigit() and int(told) > 0:
        return int(told)
    try:
        return os.get_terminal_size(stream.fileno()).columns or USUAL_WIDTH
    except (OSError, ValueError):
        return USUAL_WIDTH


def note(*lines: str) -> None:
    """Lines of narration on stderr, without secrets; folded between words in a terminal."""
    width = width_of(sys.stderr)
    told = (part for text in lines for part in folded(visible(redacted(text)), width))
    _narrate("".join(f"{part}\n" for part in told))


def progress(text: str, *, last: bool = False) -> None:
    """A line in the terminal at stderr that the next one replaces, unless it is the last.

    It is cut to one row of the terminal: only one can be replaced.
    """
    width = width_of(sys.stderr)
    shown = visible(text) if width is None else cut(visible(text), width - 1)
    _narrate(f"\r\x1b[2K{shown}" + ("\n" if last else ""))


def ask(question: str) -> str:
    """What the user answers at the terminal; empty at the end of the input."""
    _narrate(f"{visible(redacted(question))} ")
    return sys.stdin.readline().strip()


def confirm(question: str) -> bool:
    """Whether the user says yes at the terminal, asked until it is yes or no."""
    return typer.confirm(visible(question), err=True)


def data_stream() -> TextIO:
    """Stdout for a whole table: as it is in a pipe or a file, made visible in a terminal."""
    return cast("TextIO", _VisibleStdout()) if sys.stdout.isatty() else sys.stdout


class _VisibleStdout:
    """Takes text as stdout does, and shows what is no line end and no tab."""

    def write(self, text: str) -> int:
        return sys.stdout.write(re.sub(r"[^\n\t]+", lambda part: visible(part[0]), text))


def _shown(text: str) -> str:
    """The text made visible; in a pipe a file name that is no UTF-8 keeps its bytes."""
    if sys.stdout.isatty():
        return visible(text)
    return re.sub(r"[^\udc80-\udcff]+", lambda part: visible(part[0]), text)


def _visible_lines(text: str) -> str:
    return "\n".join(map(visible, text.split("\n")))


def _narrate(text: str) -> None:
    """Text on stderr as it is; when nobody can be told, the work goes on."""
    with suppress(OSError):
        print(text, end="", file=sys.stderr, flush=True)


def picture(path: Path, columns: int) -> None:
    """A picture in the terminal at stdout, in what language the terminal has for them."""
    from rich.console import Console

    if not _tells_its_size(sys.stdout):
        note("this terminal does not tell its size; open the file instead")
        return
    logging.getLogger("textual_image").setLevel(logging.CRITICAL)  # it asks the terminal in vain
    try:
        from textual_image.renderable import Image as Renderable
    except Exception:
        note("this terminal cannot be asked how it draws pictures; open the file instead")
        return
    with picture_file(path, ("PNG", "WEBP", "JPEG")) as drawn:
        drawn.load()
        Console(file=sys.stdout).print(Renderable(drawn, width=columns, height="auto"))


def _tells_its_size(stream: TextIO) -> bool:
    """Whether a terminal says how many cells it has: a picture is measured by them."""
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return False
    return size.columns > 0 and size.lines > 0


def console(*, stderr: bool = False) -> Console:
    """A rich console: plain and wide in a pipe, coloured in a terminal that wants colour.

    What a cell, a title or a progress bar says is made visible, whoever wrote it.
    """
    from rich.console import Console
    from rich.segment import Segment

    class Visible(Console):
        def render_str(self, text: str, **looks: Any) -> Text:
            return super().render_str(_visible_lines(text), **looks)

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # nobody reads on; rich would leave with an exit code of 1

        def render(
            self, renderable: RenderableType, options: ConsoleOptions | None = None
        ) -> Iterator[Segment]:
            for text, style, control in super().render(renderable, options):
                yield Segment(text if control else _visible_lines(text), style, control)

    stream = sys.stderr if stderr else sys.stdout
    if stream.isatty():
        return Visible(file=stream, highlight=False, markup=False, emoji=False)
    return Visible(
        file=stream,
        highlight=False,
        markup=False,
        emoji=False,
        width=PIPE_WIDTH,
        force_terminal=False,
        color_system=None,
    )


def only_one(**given: bool) -> None:
    """Refuse options that exclude each other.

    Raises:
        UsageError: more than one of them was given.
    """
    names = [f"--{name.replace('_', '-')}" for name, is_given in given.items() if is_given]
    if len(names) > 1:
        raise UsageError(f"{' and '.join(names)} exclude each other", "Give only one of them.")


def money_of(settings: Settings) -> Money:
    """How the user wants to see money."""
    return Money(settings.pricing.currency, float(settings.pricing.per_usd))
