"""`cems import`: a model that is on the disk already."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from cems_tui.cancel import was_interrupted
from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.failures import failure_of, print_failure
from cems_tui.cli.model_options import (
    DryRun,
    Guidance,
    Size,
    Steps,
    checked_guidance,
    checked_size,
    checked_steps,
)
from cems_tui.cli.notes import tell_wait
from cems_tui.cli.pull_narrator import PullNarrator
from cems_tui.domain.decision import Policy
from cems_tui.domain.request import Request
from cems_tui.errors import CemsError, Interrupted, WeightsError
from cems_tui.models.importer import ImportPlan, ImportWish
from cems_tui.profile import Profile
from cems_tui.text import byte_count, counted

PROMPT = "a red apple on a wooden table"

PATIENCE_SECONDS = 120.0
"""What a picture may take that nobody asked for."""


def import_(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A folder, or a .safetensors file.")],
    name: Annotated[str, typer.Option("--name", metavar="N", help="What to call it.")],
    copy: Annotated[bool, typer.Option("--copy", help="Copy its files.")] = False,
    link: Annotated[bool, typer.Option("--link", help="Link to its files.")] = False,
    base: Annotated[
        str | None,
        typer.Option("--base", metavar="NAME", help="Of a file: the model it is a network of."),
    ] = None,
    steps: Steps = None,
    guidance: Guidance = None,
    size: Size = None,
    licence: Annotated[
        str | None, typer.Option("--licence", metavar="TEXT", help="The licence it comes under.")
    ] = None,
    probe: Annotated[
        bool | None,
        typer.Option("--probe/--no-probe", help="Draw and time a picture (if the device is free)."),
    ] = None,
    dry_run: DryRun = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> int:
    """Take in a diffusers folder, or one network with its base, that is on the disk already."""
    output.only_one(copy=copy, link=link)
    wish = ImportWish(
        path=path,
        name=name,
        manner="copy" if copy else "link" if link else "in place",
        base=base,
        steps=checked_steps(steps),
        guidance=checked_guidance(guidance),
        size=checked_size(size),
        licence=licence,
    )
    narrator = PullNarrator(json=json, quiet=quiet)
    models = Profile.current().models
    importer = models.importer(narrator)
    if dry_run:
        plan = importer.plan(wish)
        if json:
            output.json_document(_import_row(plan))
        else:
            for line in [plan.model] if quiet else _import_lines(plan):
                output.line(line)
        return 0
    try:
        installed = importer.run(wish)
        narrator(installed)
    finally:
        narrator.close()
    if probe is False or not models.can_draw(installed.model):
        return 0

    return draw_one(installed.model, insisted=probe is True, json=json, quiet=quiet)


def _import_row(plan: ImportPlan) -> dict[str, Any]:
    found = plan.inspection
    return {
        "event": "plan",
        "model": plan.model,
        "source": str(plan.source),
        "path": str(plan.folder),
        "manner": plan.manner,
        "pipeline": found.pipeline,
        "family": found.family,
        "parameters": found.parameter_count,
        "bytes": plan.total_bytes,
        "copied_bytes": plan.copied_bytes,
        "disk_free_bytes": plan.free_bytes,
        "size": f"{found.side}x{found.side}",
        "guidance": found.guidance,
        "functions": list(plan.functions),
        "notes": list(plan.notes),
        "files": [{"path": file.path, "bytes": file.size} for file in plan.files],
    }


def _import_lines(plan: ImportPlan) -> list[str]:
    found = plan.inspection
    lines = [
        f"{plan.model}: {found.pipeline} (family {found.family}), "
        f"{found.parameter_count / 1e6:,.1f} M parameters",
        f"  {counted(len(plan.files), 'file')}, {byte_count(plan.total_bytes)}, {plan.manner}: "
        f"{plan.folder}",
        f"  {', '.join(plan.functions)} at {found.side}x{found.side}, guidance {found.guidance:g}",
    ]
    return lines + [f"  note: {n}" for n in plan.notes]


@dataclass(frozen=True, slots=True)
class Probed:
    """What one picture took on this machine."""

    function: str
    seconds: float | None
    """Encode + denoise + decode; None when a part was not measured."""
    memory_bytes: int | None
    load_seconds: float | None
    cost_usd: float | None


def draw_one(model: str, *, insisted: bool, json: bool, quiet: bool) -> int:
    """Draw and time a picture with a model, and tell; the exit code.

    Args:
        model: an installed model with a function that runs.
        insisted: whether the user asked for it. Otherwise a device that is taken, a picture
            that takes long or fails is told, and is no failure: the model is there.

    Raises:
        Interrupted: the user stopped it.
        WeightsError: it cannot be loaded, and so never drawn with: the model is not kept.
    """
    try:
        probed = draw(model, None if insisted else PATIENCE_SECONDS)
    except Interrupted:
        raise
    except WeightsError as error:
        Profile.current().models.remove(model)
        raise WeightsError(f"{model} is not imported: {error}", error.hint) from error
    except CemsError as error:
        failure = failure_of(error, interrupted=was_interrupted())
        if insisted:
            print_failure(failure)
            return failure.exit_code
        if not quiet:
            output.note(
                f"note: {model} is imported, and not timed: {failure.message}; "
                f"its first picture will be"
            )
        return 0
    if json:
        output.json_line(
            {
                "event": "probed",
                "model": model,
                "function": probed.function,
                "seconds": probed.seconds,
                "memory_bytes": probed.memory_bytes,
                "load_seconds": probed.load_seconds,
                "cost_usd": probed.cost_usd,
            }
        )
    elif not quiet:
        output.line(_sentence(probed))
    return 0


def draw(model: str, deadline_seconds: float | None) -> Probed:
    """A picture of the model's function of the fewest steps; measured, and kept out of sight.

    Raises:
        DeviceBusy: another process holds the device.
        WeightsError, OutOfMemory, GenerationError, GenerationTimeout: it cannot be drawn.
    """
    with Profile.current().engine(on_wait=tell_wait) as engine:
        functions = engine.planner.catalog.of_model(model)
        function = min(functions, key=lambda function: function.steps)
        request = Request(
            id=engine.planner.new_id(),
            prompt=PROMPT,
            policy=Policy.pinned(function.name),
            policy_is_explicit=True,
            seed=0,
            score=False,
            deadline_seconds=deadline_seconds,
        )
        made = engine.session.run(request, lambda event: None, was_interrupted)
        engine.store.hide(made.id)
    return Probed(
        function=function.name,
        seconds=made.seconds.billed,
        memory_bytes=made.peak_memory_bytes,
        load_seconds=made.seconds.load,
        cost_usd=made.cost_usd,
    )


def _sentence(probed: Probed) -> str:
    loaded = "" if not probed.load_seconds else f", loaded in {probed.load_seconds:.2g} s"
    memory = (
        "" if probed.memory_bytes is None else f", {byte_count(probed.memory_bytes)} at its peak"
    )
    seconds = "not timed" if probed.seconds is None else f"{probed.seconds:.3g} s a picture"
    return f"{probed.function}: {seconds} on this machine{memory}{loaded}"
