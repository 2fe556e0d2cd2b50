"""Arguments as people write them, put into the form the parser reads."""

from __future__ import annotations

FOREVER = "inf"


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
