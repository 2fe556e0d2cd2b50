"""Options that several commands share, as one parameter: a frozen dataclass of annotated fields.

`def draw(choice: RoutingOptions, …)` takes one value; `with_groups(draw)` is the command that has
each field of it as an option of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from inspect import Parameter, Signature, signature
from typing import Any, Protocol, TypeVar, get_type_hints, runtime_checkable

T = TypeVar("T")


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
