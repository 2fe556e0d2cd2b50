"""The programs that are run by hand keep up with the house: they and their children import."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PROGRAMS = sorted(
    ".".join(path.relative_to(TESTS.parent).with_suffix("").parts)
    for room in ("benchmarks", "experiments", "gpu")
    for path in (TESTS / room).glob("*.py")
    if not path.name.startswith("__")
)
IMPORT = re.compile(r"from ((?:cems_tui|screens|tests)[\w.]*) import (?:\(([\w\s,]+)\)|([\w ,]+))")
"""Of our own, wherever it stands: also in the code that a child process is given."""


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_imports(program: str) -> None:
    import_module(program)


@pytest.mark.parametrize("path", sorted(TESTS.rglob("*.py")), ids=lambda path: path.name)
def test_what_a_test_or_its_child_imports_is_there(path: Path) -> None:
    for module, *names in IMPORT.findall(path.read_text("utf-8")):
        for name in filter(None, re.split(r"[\s,]+", re.sub(r"\bas \w+", "", "".join(names)))):
            assert is_there(module, name), f"from {module} import {name}"


def is_there(module: str, name: str) -> bool:
    """Whether a module has a name, or a module of that name."""
    try:
        if hasattr(import_module(module), name):
            return True
        import_module(f"{module}.{name}")
    except ModuleNotFoundError:
        return False
    return True
