"""The house keeps its rules: what an import contract cannot say is read off the files here."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODULES = sorted(
    path.relative_to(ROOT)
    for room in ("cems_tui", "screens")
    for path in (ROOT / room).rglob("*.py")
)
OURS = ("cems_tui", "screens")
NOUNS_IN_ING = {"pricing.py", "scoring.py", "routing.py", "training.py"}
MOST_MODULES = 16

SAME_THING_FROM_ITS_ROOM = {
    "bill.py",
    "budget.py",
    "capabilities.py",
    "commands.py",
    "dial.py",
    "dialogs.py",
    "failures.py",
    "figures.py",
    "library.py",
    "main.py",
    "model_list.py",
    "planner.py",
    "price_card.py",
    "queue.py",
    "receipt.py",
    "savings.py",
    "screen.py",
    "worth.py",
}
"""Basenames that stand more than once, each time for the same thing seen from its room."""

MAY_IMPORT_LATE = {
    "cems_tui/__main__.py",  # ctrl+c is minded before anything of ours is imported
    "cems_tui/profile.py",
    "cems_tui/cli/command_table.py",
    "screens/places.py",
}
"""What opens a thing only when it is asked for by name."""


def test_no_module_is_named_for_an_activity() -> None:
    assert {path.name for path in MODULES if path.name.endswith("ing.py")} <= NOUNS_IN_ING


def test_a_basename_stands_twice_only_where_it_means_the_same_thing() -> None:
    places = defaultdict[str, list[Path]](list)
    for path in outside_commands():
        places[path.name].append(path.parent)
    assert {name for name, rooms in places.items() if len(rooms) > 1} == SAME_THING_FROM_ITS_ROOM


def test_no_room_is_crowded() -> None:
    rooms = defaultdict[Path, int](int)
    for path in outside_commands():
        rooms[path.parent] += 1
    assert {room: count for room, count in rooms.items() if count > MOST_MODULES} == {}


def test_every_room_says_what_it_is_for() -> None:
    doors = [path for path in MODULES if path.name == "__init__.py"]
    assert [path for path in doors if len(ast.get_docstring(tree(path)) or "") < 20] == []


def test_our_own_is_imported_at_the_top_of_a_file() -> None:
    late = [
        f"{path}:{node.lineno}"
        for path in MODULES
        if str(path) not in MAY_IMPORT_LATE and path.name != "__init__.py"
        for node in late_imports(path)
    ]
    assert late == []


def test_our_own_is_never_imported_by_a_string() -> None:
    found = [
        f"{path}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and called(node) in ("import_module", "__import__")
        if isinstance(node.args[0], ast.Constant) and is_ours(str(node.args[0].value))
    ]
    assert found == []


def test_the_rules_see_what_they_forbid() -> None:
    assert len(MODULES) > 100
    late = [path for path in MODULES if any(late_imports(path))]
    assert "cems_tui/cli/command_table.py" in map(str, late)


def outside_commands() -> Iterator[Path]:
    for path in MODULES:
        if path.name != "__init__.py" and not path.is_relative_to("cems_tui/cli/commands"):
            yield path


def late_imports(path: Path) -> Iterator[ast.Import | ast.ImportFrom]:
    for function in ast.walk(tree(path)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Import | ast.ImportFrom) and any(map(is_ours, named(node))):
                    yield node


def named(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [str(node.module)]
    return [alias.name for alias in node.names]


def called(node: ast.Call) -> str:
    return str(getattr(node.func, "id", getattr(node.func, "attr", "")))


def is_ours(module: str) -> bool:
    return module.split(".")[0] in OURS


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text("utf-8"))
