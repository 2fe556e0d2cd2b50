"""Arguments as people write them, put into the form the parser reads."""

from __future__ import annotations

from cems_tui.errors import UsageError
from cems_tui.text import visible

FOREVER = "inf"


def refuse_broken(arguments: list[str]) -> None:
    """Everything given is recorded as text, so all of it has to be text.

    Raises:
        UsageError: an argument is not valid UTF-8.
    """
    for argument in arguments:
        if any("\ud800" <= letter <= "\udfff" for letter in argument):
            raise UsageError(
                f"the argument {visible(argument)[:80]!r} is not valid UTF-8",
                "Write it as UTF-8 and try again.",
            )


def normalised(arguments: list[str]) -> list[str]:
    """`--wait` may stand without a value: it then means for ever.

    The parser cannot tell `--wait 5` from `--wait "a red car"`, so the value is decided here.
    """
    result: list[str] = []
    index = 0
    while index < len(arguments):
        argument = arguments[index]
        if argument == "--":
            return result + arguments[index:]
        if argument == "--wait":
            following = arguments[index + 1] if index + 1 < len(arguments) else ""
            if _is_number(following):
                index += 1
                argument = f"--wait={following}"
            else:
                argument = f"--wait={FOREVER}"
        result.append(argument)
        index += 1
    return result


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
