"""The libraries that draw are imported without what they only try out, and draw the same."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image

from cems_tui import lean_imports
from cems_tui.lean_imports import POSTPONED, UNUSED, absent
from tests.cli.cems import cems, environment

DRAWING = ("generate", "a red car at night", "--function", "starter-turbo@1", "--seed", "5", "-q")

DRAWS_AND_TELLS = """
import json, sys
from cems_tui.cli.main import main
code = main(sys.argv[1:])
unused = [name for name in {unused} if name in sys.modules]
computed = [name for name in ("scipy.stats._stats_py", "scipy.optimize") if name in sys.modules]
from diffusers import EulerDiscreteScheduler, LMSDiscreteScheduler
old, beta = LMSDiscreteScheduler(), EulerDiscreteScheduler(use_beta_sigmas=True)
old.set_timesteps(4)
beta.set_timesteps(4)
old.get_lms_coefficient(2, 1, 0)
print(json.dumps([code, unused, computed, len(old.sigmas), float(beta.sigmas[1])]), file=sys.stderr)
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a package that is installed and not imported."""
    name = "package_of_this_test"
    (tmp_path / f"{name}.py").write_text("answer = 42\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield name
    sys.modules.pop(name, None)


def test_what_is_absent_is_neither_found_nor_imported_and_then_is_again(package: str) -> None:
    with absent(package):
        assert find_spec(package) is None
        with pytest.raises(ModuleNotFoundError):
            __import__(package)
    assert __import__(package).answer == 42


def test_what_is_imported_already_stays(package: str) -> None:
    module = __import__(package)
    with absent(package):
        assert __import__(package) is module
    assert sys.modules[package] is module


def test_what_is_postponed_is_imported_when_it_is_read(package: str) -> None:
    lean_imports._postpone(package)
    standing_for_it = __import__(package)
    assert sys.modules[package] is standing_for_it
    assert standing_for_it.answer == 42
    assert sys.modules[package] is not standing_for_it
    assert __import__(package).answer == 42
    with pytest.raises(AttributeError):
        standing_for_it.question  # noqa: B018


def test_what_is_not_installed_is_not_postponed() -> None:
    lean_imports._postpone("no_such_package_anywhere.part")
    assert "no_such_package_anywhere.part" not in sys.modules


def test_garbage_is_collected_again_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lean_imports, "import_module", lambda name: None)
    monkeypatch.setattr(lean_imports, "POSTPONED", ())
    with lean_imports.lean_imports():
        assert not gc.isenabled()
    assert gc.isenabled()


@pytest.mark.slow
def test_the_installed_libraries_draw_the_same_without(tmp_path: Path) -> None:
    told = environment(tmp_path / "lean")
    script = DRAWS_AND_TELLS.format(unused=tuple(UNUSED))
    command = [sys.executable, "-c", script, *DRAWING]
    lean = subprocess.run(command, capture_output=True, env=told, text=True, check=True)
    code, unused, computed, sigmas, second = json.loads(lean.stderr.splitlines()[-1])
    assert (code, unused, computed) == (0, [], [])
    assert sigmas == 5, "a scheduler that computes with scipy finds it"
    assert second > 0
    whole = cems(*DRAWING, home=tmp_path / "whole")  # by the libraries as they are
    assert whole.code == 0, whole.err
    pictures = [Image.open(out.strip()).tobytes() for out in (lean.stdout, whole.out)]
    assert pictures[0] == pictures[1]


def test_what_is_named_is_told_why() -> None:
    assert all(len(reason) > 10 for reason in UNUSED.values())
    assert not set(UNUSED) & {name.partition(".")[0] for name in POSTPONED}
