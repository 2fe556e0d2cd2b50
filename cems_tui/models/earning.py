"""Whether an installed model earns its disk: what scores say, and how often it was chosen here."""

from __future__ import annotations

from cems_tui.models.evidence import Gain
from cems_tui.models.recommending import LEAST_GAIN
from cems_tui.text import byte_count, counted


def verdict(
    gain: Gain | None, disk_bytes: int | None, drawn: int, pictures: int
) -> tuple[str, ...]:
    """Two lines, or none where nobody scored the model.

    Args:
        gain: what it adds to the others that are here.
        disk_bytes: what its files take.
        drawn: pictures it drew here.
        pictures: pictures that were drawn here in all.
    """
    if gain is None or disk_bytes is None:
        return ()
    size = byte_count(disk_bytes)
    if gain.routed is None:
        value = f"earns its disk: {gain.alone:.2f} {gain.metric} for {size}, the only one scored"
    elif gain.routed >= LEAST_GAIN:
        value = f"earns its disk: at most +{gain.routed:.2f} {gain.metric} for {size}"
    else:
        value = f"hardly earns its disk: under +{LEAST_GAIN:.2f} {gain.metric} for {size}"
    if not pictures:
        return value, "no picture was drawn here yet"
    return value, f"it drew {drawn} of {counted(pictures, 'picture')} here"
