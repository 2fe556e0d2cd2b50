"""One timed picture of a model that was just imported, so that it is priced from the start."""

from __future__ import annotations

from dataclasses import dataclass

from cems_tui.cli import output
from cems_tui.cli.failures import failure_of, print_failure
from cems_tui.errors import CemsError, Interrupted
from cems_tui.interrupts import was_interrupted

PROMPT = "a red apple on a wooden table"
PATIENCE_SECONDS = 120.0
"""What a picture may take that nobody asked for."""


@dataclass(frozen=True, slots=True)
class Probed:
    """What one picture took on this machine."""

    function: str
    seconds: float | None
    """Encode + denoise + decode; None when a part was not measured."""

    memory_bytes: int | None
    load_seconds: float | None
    cost_usd: float | None


def probe(model: str, *, insisted: bool, json: bool, quiet: bool) -> int:
    """Draw and time a picture with a model, and tell; the exit code.

    Args:
        model: an installed model with a function that runs.
        insisted: whether the user asked for it. Otherwise a device that is taken, a picture
            that takes long or fails is told, and is no failure: the model is there.

    Raises:
        Interrupted: the user stopped it.
    """
    try:
        probed = draw(model, None if insisted else PATIENCE_SECONDS)
    except Interrupted:
        raise
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
    from cems_tui import wiring
    from cems_tui.events import Request
    from cems_tui.routing.decision import Policy

    with wiring.open_engine() as engine:
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
    from cems_tui.text import byte_count

    loaded = "" if not probed.load_seconds else f", loaded in {probed.load_seconds:.2g} s"
    memory = (
        "" if probed.memory_bytes is None else f", {byte_count(probed.memory_bytes)} at its peak"
    )
    seconds = "not timed" if probed.seconds is None else f"{probed.seconds:.3g} s a picture"
    return f"{probed.function}: {seconds} on this machine{memory}{loaded}"
