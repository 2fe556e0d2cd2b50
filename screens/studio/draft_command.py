"""The `cems` command for what is being written."""

from __future__ import annotations

from shlex import quote

from cems_tui.domain.decision import Policy
from screens.studio.request_line import Extras
from screens.widgets.receipt import prompt_argument, quoted

NO_EXTRAS = Extras()


def draft_command(prompt: str, policy: Policy, extras: Extras = NO_EXTRAS) -> str:
    """The command for what is being written."""
    parts = ["cems generate"]
    if policy.kind == "pinned":
        parts.append(f"--function {quote(str(policy.value))}")
    elif policy.kind == "budget":
        parts.append(f"--budget-per-image {policy.value}")
    elif policy.kind != "balanced":
        parts.append(f"--tradeoff {policy.value:g}")
    if extras.seed is not None:
        parts.append(f"--seed {extras.seed}")
    if extras.count != 1:
        parts.append(f"-n {extras.count}")
    if extras.size is not None:
        parts.append("--size {}x{}".format(*extras.size))
    if extras.negative:
        parts.append(f"--negative={quoted(extras.negative)}")
    return " ".join((*parts, prompt_argument(prompt)))
