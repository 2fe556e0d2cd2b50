"""Options that `generate` and `route` share, and what they mean together."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, dataclass, fields
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Literal,
    Protocol,
    TypeVar,
    get_type_hints,
    runtime_checkable,
)

import typer

from cems_tui.bench.prompts import PromptLine, parsed_size, read_prompts
from cems_tui.cli import output
from cems_tui.cli.notes import one_word_prompts
from cems_tui.cli.output import only_one
from cems_tui.domain.decision import Policy
from cems_tui.domain.request import Request, new_id
from cems_tui.errors import CemsError, UsageError
from cems_tui.routing.decide.tries import MOST_TRIES
from cems_tui.settings import BALANCED, Settings
from cems_tui.text import checked_prompt

T = TypeVar("T")
OnOff = Literal["on", "off"]

Prompts = Annotated[
    list[str] | None,
    typer.Argument(metavar="PROMPT…", help="What to draw; `-` reads prompts from stdin."),
]
PromptFile = Annotated[
    Path | None, typer.Option("-f", "--file", help="A file of prompts, one a line or JSON.")
]
Function = Annotated[
    str, typer.Option("--function", metavar="NAME", help="Use this function; `auto` routes.")
]
Pool = Annotated[
    str | None, typer.Option("--pool", metavar="NAME,…", help="Only these may be chosen.")
]
Tradeoff = Annotated[
    float | None, typer.Option("--tradeoff", metavar="0..1", help="0 = cheapest, 1 = best quality.")
]
Balanced = Annotated[
    bool,
    typer.Option("--balanced", help="Where more cost buys less quality than it is: the default."),
]
BudgetPerImage = Annotated[
    float | None,
    typer.Option(
        "--budget-per-image",
        metavar="USD",
        help="US dollars a picture: the best that costs at most this.",
    ),
]
Floor = Annotated[
    float | None,
    typer.Option(
        "--floor", metavar="Q", help="In the metric's unit: the cheapest of at least this quality."
    ),
]
Tolerance = Annotated[
    float | None,
    typer.Option(
        "--tolerance",
        metavar="EPS",
        help="In the metric's unit: the cheapest this close to the best.",
    ),
]
Lambda = Annotated[
    float | None,
    typer.Option(
        "--lambda", metavar="X", help="Quality units that a US dollar a picture is worth, raw."
    ),
]
Router = Annotated[
    str | None, typer.Option("--router", metavar="NAME", help="The checkpoint to ask.")
]
LoadCost = Annotated[
    OnOff | None, typer.Option("--load-cost", help="Count load time in the price.")
]
Count = Annotated[int, typer.Option("-n", "--count", help="Pictures of each prompt.")]
Size = Annotated[str | None, typer.Option(metavar="WxH", help="Pixels.")]
Negative = Annotated[str, typer.Option(metavar="TEXT", help="What to avoid.")]
SessionBudget = Annotated[
    float | None,
    typer.Option(
        "--session-budget",
        metavar="USD",
        help="US dollars the session may cost; prompts without a policy share what is left.",
    ),
]
SessionEnergy = Annotated[
    float | None,
    typer.Option(
        "--session-energy",
        metavar="WH",
        help="Watt-hours the session may take, where the device tells what it takes.",
    ),
]
ShadowBudget = Annotated[
    float | None,
    typer.Option("--budget", metavar="USD", help="US dollars, loading included, at most."),
]
ShadowSeconds = Annotated[
    float | None, typer.Option("--seconds", metavar="S", help="Seconds at most.")
]
ShadowPictures = Annotated[
    int | None, typer.Option("--pictures", metavar="N", help="Pictures at most.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SessionName = Annotated[
    str | None, typer.Option("--session", metavar="NAME", help="Only this session.")
]
Metric = Annotated[
    str | None, typer.Option("--metric", metavar="M", help="The scale to judge by; the router's.")
]
Paths = Annotated[bool, typer.Option("--paths", help="Print the path of each too.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print names or paths only.")]


@dataclass(frozen=True, slots=True)
class RoutingOptions:
    """How to choose, as given on the command line."""

    function: Function = "auto"
    pool: Pool = None
    balanced: Balanced = False
    tradeoff: Tradeoff = None
    budget_per_image: BudgetPerImage = None
    floor: Floor = None
    tolerance: Tolerance = None
    lambda_: Lambda = None
    router: Router = None
    load_cost: LoadCost = None

    def checked(self) -> RoutingOptions:
        """These options, if they can be followed together.

        Raises:
            UsageError: two policies at once, or a value out of range.
        """
        only_one(
            balanced=self.balanced,
            tradeoff=self.tradeoff is not None,
            budget_per_image=self.budget_per_image is not None,
            floor=self.floor is not None,
            tolerance=self.tolerance is not None,
            **{"lambda": self.lambda_ is not None},
        )
        for name, value, low, high in (
            ("--tradeoff", self.tradeoff, 0.0, 1.0),
            ("--budget-per-image", self.budget_per_image, 0.0, math.inf),
            ("--floor", self.floor, -math.inf, math.inf),
            ("--tolerance", self.tolerance, 0.0, math.inf),
            ("--lambda", self.lambda_, 0.0, math.inf),
        ):
            if value is not None and not (math.isfinite(value) and low <= value <= high):
                raise UsageError(f"{name} {value:g} is out of range", _range_hint(name, low, high))
        return self

    @property
    def policy_given(self) -> Policy | None:
        """The policy on the command line, None when none was given."""
        if self.balanced:
            return Policy.balanced()
        if self.tradeoff is not None:
            return Policy("tradeoff", self.tradeoff)
        if self.budget_per_image is not None:
            return Policy("budget", self.budget_per_image)
        if self.floor is not None:
            return Policy("floor", self.floor)
        if self.tolerance is not None:
            return Policy("tolerance", self.tolerance)
        if self.lambda_ is not None:
            return Policy("lambda", self.lambda_)
        return None

    def policy(self, settings: Settings, line: PromptLine) -> tuple[Policy, bool]:
        """The policy of one prompt, and whether it was asked for rather than configured.

        A prompt's own `function` or `tradeoff` wins over the command line's.
        """
        pinned = line.function or self.function
        if pinned != "auto":
            return Policy.pinned(pinned), True
        if line.tradeoff is not None:
            return Policy("tradeoff", line.tradeoff), True
        given = self.policy_given
        if given is not None:
            return given, True
        return policy_of(settings.routing.tradeoff), False

    def pool_names(self) -> tuple[str, ...] | None:
        """The names of `--pool`, None without it."""
        if self.pool is None:
            return None
        names = tuple(dict.fromkeys(name.strip() for name in self.pool.split(",") if name.strip()))
        if not names:
            raise UsageError("--pool names no function", "Give names with commas: --pool a@4,b@8.")
        return names

    def counts_load(self, settings: Settings, prompts: int) -> bool:
        """Whether load time is part of the price the policy looks at."""
        if self.load_cost is not None:
            return self.load_cost == "on"
        return settings.routing.counts_load(several=prompts > 1)


def policy_of(setting: float | str) -> Policy:
    """The policy that `routing.tradeoff` asks for."""
    return Policy.balanced() if setting == BALANCED else Policy.tradeoff(float(setting))


MOST_PICTURES = 100_000
"""Of one command, as of one prompt file."""


@dataclass(frozen=True, slots=True)
class PictureOptions:
    """What the pictures shall be, as given on the command line: prices depend on it."""

    count: Count = 1
    size: Size = None
    negative: Negative = ""

    def checked(self) -> PictureOptions:
        """These options, if they can be followed.

        Raises:
            UsageError: a value out of range, or a negative prompt that can be none.
        """
        self.pixels()
        if self.count < 1:
            raise UsageError(f"--count {self.count} is out of range", "Make 1 or more.")
        if self.negative.strip():
            checked_prompt(self.negative)
        return self

    def pixels(self) -> tuple[int | None, int | None]:
        """Width and height of `--size`.

        Raises:
            UsageError: it is not a size that can be drawn.
        """
        return parsed_size(self.size)


@dataclass(frozen=True, slots=True)
class TriesOptions:
    """Several pictures for one, the best scored of which is kept."""

    escalate: Annotated[
        bool,
        typer.Option(
            "--escalate",
            help="Draft with the cheapest; draw dearer only if the draft scores less than that is "
            "expected to. Both are paid.",
        ),
    ] = False
    best_of: Annotated[
        str | None,
        typer.Option(
            "--best-of",
            metavar="N|auto",
            help="Draw N seeds, keep the best scored; auto: function and N that "
            "--budget-per-image buys for all tries.",
        ),
    ] = None

    def checked(self) -> TriesOptions:
        """These options, if they can be followed.

        Raises:
            UsageError: both at once, or no number of tries.
        """
        only_one(escalate=self.escalate, best_of=self.best_of is not None)
        self.tries()
        return self

    @property
    def any(self) -> bool:
        """Whether more than one picture may be drawn for one."""
        return self.escalate or self.best_of is not None

    def tries(self) -> int | None:
        """The N of `--best-of`; None chooses.

        Raises:
            UsageError: it is neither a number in range nor `auto`.
        """
        if self.best_of in (None, "auto"):
            return None
        found = int(self.best_of) if str(self.best_of).isascii() and self.best_of.isdigit() else 0
        if not 2 <= found <= MOST_TRIES:
            raise UsageError(
                f"--best-of {self.best_of} is no number of tries",
                f"Give 2 to {MOST_TRIES}, or auto with --budget-per-image.",
            )
        return found


def not_negative(name: str, value: float | None) -> None:
    """Refuse an option's value that is below 0 or no number; None is fine.

    Raises:
        UsageError: it is one of those.
    """
    if value is not None and (math.isnan(value) or value < 0):
        raise UsageError(f"{name} {value:g} is out of range", _range_hint(name, 0.0, math.inf))


_UNITS = {
    "--budget-per-image": "US dollars a picture",
    "--session-budget": "US dollars",
    "--session-energy": "watt-hours",
    "--budget": "US dollars",
    "--floor": "in the metric's unit",
    "--tolerance": "in the metric's unit",
    "--lambda": "quality units a US dollar",
    "--seconds": "seconds",
    "--pictures": "pictures",
    "--wait": "seconds",
    "--timeout": "seconds",
}


def _range_hint(name: str, low: float, high: float) -> str:
    unit = f", {_UNITS[name]}" if name in _UNITS else ""
    if math.isinf(low):
        return f"{name} takes a finite number{unit}."
    if math.isfinite(high):
        return f"{name} takes {low:g} to {high:g}{unit}."
    return f"{name} takes {low:g} or more{unit}."


def prompt_lines(prompts: list[str] | None, file: Path | None, *, quiet: bool) -> list[PromptLine]:
    """The prompts of a command: its arguments, a file, or stdin; all checked.

    Arguments that are rather one prompt without quotes are said to be, unless it is `quiet`.

    Raises:
        UsageError: no prompt, two sources, an unreadable file, or a line that cannot be a prompt.
    """
    if prompts and file is not None:
        raise UsageError("prompts were given and a file too", "Give prompts, or -f FILE, not both.")
    if file is not None:
        return read_prompts(file)
    if prompts == ["-"]:
        return read_prompts("-")
    if prompts and "-" in prompts:
        raise UsageError(
            "prompts were given and - for stdin too", "Give prompts, or - alone, not both."
        )
    if not prompts:
        raise UsageError("there is no prompt", 'Say what to draw: cems generate "a red car".')
    lines = [PromptLine(prompt=checked_prompt(prompt)) for prompt in prompts]
    unquoted = one_word_prompts(prompts)
    if unquoted is not None and not quiet:
        output.note(f"note: {unquoted}")
    return lines


# Questions before something that cannot be taken back.

Yes = Annotated[bool, typer.Option("--yes", help="Answer every question with yes.")]


def agreed(question: str, *, yes: bool) -> bool:
    """Whether the user says yes; `--yes` has said so already.

    Raises:
        UsageError: there is no terminal to ask on.
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError(f"{question} There is no terminal to answer on", "Say --yes.")
    return output.confirm(question)


def requests_of(
    lines: Sequence[PromptLine],
    choice: RoutingOptions,
    pictures: PictureOptions,
    settings: Settings,
    check: Callable[[Sequence[Request]], None],
) -> list[Request]:
    """One request a prompt, as the prompts and the command's options make them together.

    Args:
        check: refuses requests that cannot be followed; what it raises names the prompt's line.

    Raises:
        UsageError: a request cannot be followed.
    """
    many = len(lines) * pictures.count
    if many > MOST_PICTURES:
        raise UsageError(
            f"{many:,} pictures at once are over {MOST_PICTURES:,}",
            "Make them in several commands.",
        )
    width, height = pictures.pixels()
    found = []
    for line in lines:
        policy, explicit = choice.policy(settings, line)
        request = Request(
            id=new_id(),
            prompt=line.prompt,
            policy=policy,
            policy_is_explicit=explicit,
            pool=choice.pool_names(),
            router=choice.router,
            load_cost=choice.counts_load(settings, many),
            load_pictures=pictures.count,
            width=line.width or width,
            height=line.height or height,
            negative=line.negative or pictures.negative,
        )
        try:
            check([request])
        except CemsError as error:
            if line.line is None:
                raise
            raise type(error)(f"line {line.line}: {error}", error.hint) from error
        found.append(request)
    return found


# Groups of options: a command takes the dataclass, its caller gives each field as an option.


@runtime_checkable
class OptionGroup(Protocol):
    """A dataclass whose fields are annotated options, or groups again."""

    def checked(self) -> Any:
        """These options, if they can be followed; raises UsageError."""
        ...


def with_groups(command: Callable[..., T]) -> Callable[..., T]:
    """The command with an option for each field of its groups; these come to it checked."""
    hints = get_type_hints(command, include_extras=True)
    own = signature(command).parameters.values()
    groups = {one.name: hints[one.name] for one in own if _is_group(hints[one.name])}

    def spread(**values: Any) -> T:
        made = {name: _taken(group, values).checked() for name, group in groups.items()}
        return command(**made, **values)

    options = [
        option
        for one in own
        for option in (
            _options(groups[one.name])
            if one.name in groups
            else [one.replace(annotation=hints[one.name], kind=Parameter.KEYWORD_ONLY)]
        )
    ]
    spread.__name__, spread.__doc__ = command.__name__, command.__doc__
    spread.__module__ = command.__module__
    spread.__annotations__ = {one.name: one.annotation for one in options}
    spread.__signature__ = Signature(options)  # type: ignore[attr-defined]
    return spread


def _is_group(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, OptionGroup)


def _options(group: type[Any]) -> Iterator[Parameter]:
    """The fields of a group as parameters, those of groups in it in their place."""
    hints = get_type_hints(group, include_extras=True)
    for field in fields(group):
        if _is_group(hints[field.name]):
            yield from _options(hints[field.name])
        else:
            assert field.default is not MISSING, "an option that is left out has a value"
            yield Parameter(
                field.name,
                Parameter.KEYWORD_ONLY,
                default=field.default,
                annotation=hints[field.name],
            )


def _taken(group: type[T], values: dict[str, Any]) -> T:
    """The group of those values, which are taken out of them."""
    hints = get_type_hints(group, include_extras=True)
    return group(
        **{
            field.name: _taken(hints[field.name], values)
            if _is_group(hints[field.name])
            else values.pop(field.name)
            for field in fields(group)  # type: ignore[arg-type]
        }
    )
