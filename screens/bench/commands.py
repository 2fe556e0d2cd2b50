"""The commands of the benchmarks."""

from __future__ import annotations

from screens.commands import GENERATE, STOP_RUN, Command

NEW = Command(
    "bench.new", "n", "new", "A new benchmark",
    "Prompts, functions and seeds; pictures, minutes, money and disk are told before it starts.",
    footer="new", letter=True,
)  # fmt: skip
PAUSE = Command(
    "bench.pause", "p", "pause", "Stop it, or go on with it",
    "What is done is kept; a picture asked for meanwhile goes before its next one anyway.",
    footer="stop/go on", letter=True,
)  # fmt: skip
FAILED = Command(
    "bench.failed", "f", "failures", "What failed, and why", "Each picture with its reason.",
    footer="failed", letter=True,
)  # fmt: skip
RETRY = Command(
    "bench.retry", "R", "retry", "Try what failed again", "And what is left to do.",
    footer="retry", letter=True,
)  # fmt: skip
METRIC = Command(
    "bench.metric", "m", "metric", "Another metric", "Of those that were read.",
    footer="metric", letter=True,
)  # fmt: skip
VIEW = Command(
    "bench.view", "v", "view", "Matrix, strategies, curve",
    "Where there is room for one; else all are shown.", footer="view", letter=True,
)  # fmt: skip
CHEAPER = Command(
    "bench.cheaper", "left", "walk(-1)", "Walk the curve: cheaper",
    "What the dial would have come to on these prompts.", letter=True,
)  # fmt: skip
BETTER = Command(
    "bench.better", "right", "walk(1)", "Walk the curve: better",
    "What the dial would have come to on these prompts.", letter=True,
)  # fmt: skip
DIAL = Command(
    "bench.dial", "s", "set_dial", "Set the studio's dial there",
    "Goes to the studio with the dial where one stands on the curve.", letter=True,
)  # fmt: skip
COPY = Command(
    "bench.copy", "y", "copy_command", "Copy as a cems command", "`cems bench report NAME`.",
    letter=True,
)  # fmt: skip
LEAVE = Command("bench.back", "escape", "back", "Back to the studio", "The benchmark goes on.")

BENCH = (
    NEW, PAUSE, FAILED, RETRY, METRIC, VIEW, CHEAPER, BETTER, DIAL, COPY, STOP_RUN, GENERATE, LEAVE,
)  # fmt: skip
