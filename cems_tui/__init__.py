"""Prompt-routed local text-to-image generation: the core, free of any terminal UI."""

__version__ = "0.1.0"
