"""Imports the libraries that draw and score without what they only try out.

Most of a first picture's processor time is imports. `diffusers` and `transformers` look for some
forty packages and import those they find, whoever brought them; what is only for weights, losses
or tables that nothing here reads is kept from them:

- A package whose entry in `sys.modules` is None is absent, to `import` and to `find_spec` alike
  (Python's language reference, "The module cache"). It is so within the block only; a library
  that looked in the meantime goes on without it.
- What some schedulers compute with, large parts of `scipy`, is imported when they do.
- Python's search for cycles of garbage, which finds none in modules that stay, waits.

Nothing of a library is replaced, and pictures are the same bit for bit.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

UNUSED = {
    "bitsandbytes": "quantised weights; here only safetensors of whole networks are read",
    "peft": "adapters, which nothing here loads",
    "sklearn": "a curve of text generation by drafts",
    "pandas": "tables, to and from data frames",
}
"""Packages that the libraries import where they are installed → what they want of them."""

POSTPONED = ("scipy.stats", "scipy.integrate")
"""What a few schedulers compute with."""


@contextmanager
def lean_imports() -> Iterator[None]:
    """A block in which `transformers`, `diffusers` and `open_clip` are imported quickly.

    For a process's first import of them; where they are imported already it does nothing that
    matters. Another thread must not import what is named here meanwhile.
    """
    with uncollected(), absent(*UNUSED):
        with absent("scipy"):
            import_module("transformers.modeling_utils")  # its losses: matching of boxes
        for name in POSTPONED:
            _postpone(name)
        yield


@contextmanager
def absent(*packages: str) -> Iterator[None]:
    """A block in which the packages are not installed, but for those imported before."""
    hidden = [name for name in packages if name not in sys.modules]
    modules: dict[str, object] = sys.modules  # type: ignore[assignment]
    modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            if modules.get(name, "not there") is None:
                del modules[name]


@contextmanager
def uncollected() -> Iterator[None]:
    """A block without collections of garbage, of which it makes none: one that imports.

    In a process that has frozen what it began with, what is imported later is frozen too: modules
    stay, and no collection needs to look at them again.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            if gc.get_freeze_count():
                gc.freeze()
            gc.enable()


class _Postponed:
    """Stands for a module that is imported when something of it is first read.

    It is no module to `inspect`, which reads the file names of all modules there are whenever
    torch registers an operator: what `importlib.util.LazyLoader` makes would be loaded by that.
    """

    __spec__ = None
    """What `import` looks at: it is not being imported by another thread."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        modules: dict[str, object] = sys.modules  # type: ignore[assignment]
        if modules.get(self._name) is self:
            del modules[self._name]
        return getattr(import_module(self._name), attribute)


def _postpone(name: str) -> None:
    """Have a module, if it is installed, imported when something of it is first read."""
    if name not in sys.modules and find_spec(name.partition(".")[0]) is not None:
        modules: dict[str, object] = sys.modules  # type: ignore[assignment]
        modules[name] = _Postponed(name)
