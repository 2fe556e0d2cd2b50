"""The commands of the doctor."""

from __future__ import annotations

from screens.commands import GENERATE, Command

MEND = Command(
    "doctor.mend", "enter", "mend", "Mend this",
    "Does what mends it, goes where that is done, or copies the line that does it.",
)  # fmt: skip
COPY = Command(
    "doctor.copy", "y", "copy_command", "Copy the line that mends this",
    "For a shell; of what is fine, `cems doctor`.", footer="copy", letter=True,
)  # fmt: skip
AGAIN = Command(
    "doctor.again", "r", "again", "Look again", "At everything, as `cems doctor` does.",
    footer="look again", letter=True,
)  # fmt: skip
NEXT = Command(
    "doctor.next", "n", "next", "To the next problem", "Or note, where there is no problem.",
    footer="next problem", letter=True,
)  # fmt: skip
LEAVE = Command("doctor.back", "escape", "back", "Back to the studio", "The studio.")

DOCTOR = (MEND, COPY, AGAIN, NEXT, GENERATE, LEAVE)
