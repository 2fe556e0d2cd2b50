"""Keeps the machine-learning libraries from writing to the terminal."""

from __future__ import annotations

import logging
import os
import sys
import warnings

_LOUD_LOGGERS = (
    "bitsandbytes",
    "diffusers",
    "transformers",
    "huggingface_hub",
    "open_clip",
    "timm",
)


def hush() -> None:
    """Silence progress bars, load reports and import-time chatter; errors are still logged.

    Call it before importing diffusers, transformers or open_clip, and again after: what is
    not imported yet is silenced through the environment and the logging tree, and what is
    imported through its own switches.
    """
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    for name in _LOUD_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    for module in _LOUD_LOGGERS:
        for category in (FutureWarning, UserWarning):
            warnings.filterwarnings("ignore", category=category, module=module)
    root = logging.getLogger()
    if not root.handlers:
        # open_clip warns through the root logger; without a handler Python prints that.
        root.addHandler(logging.NullHandler())
    for library in ("diffusers", "transformers"):
        if library in sys.modules:
            _switch_off(library)


def _switch_off(library: str) -> None:
    from importlib import import_module

    switches = import_module(f"{library}.utils.logging")
    switches.set_verbosity_error()
    switches.disable_progress_bar()
