"""The commands of the blind comparison."""

from __future__ import annotations

from screens.commands import GENERATE, Command

LEFT = Command(
    "blind.left", "left", "vote('left')", "The left one is better", "Then it is told what it was.",
    letter=True,
)  # fmt: skip
RIGHT = Command(
    "blind.right", "right", "vote('right')", "The right one is better",
    "Then it is told what it was.", letter=True,
)  # fmt: skip
SAME = Command(
    "blind.same", "down", "vote('tie')", "They are the same", "A tie is a vote, too.",
    letter=True,
)  # fmt: skip
BAD = Command(
    "blind.bad", "up", "vote('both bad')", "Both are bad", "That is a vote, too.",
    letter=True,
)  # fmt: skip
NEXT = Command(
    "blind.next", "space", "next", "The next pair", "Before the vote this one is left for later.",
    footer="next", letter=True,
)  # fmt: skip
UNDO = Command(
    "blind.undo", "u", "undo", "Undo the last vote", "Its pair is asked again another time.",
    footer="undo", letter=True,
)  # fmt: skip
LEAVE = Command("blind.back", "escape", "back", "Back to the studio", "The votes are kept.")

BLIND = (LEFT, RIGHT, SAME, BAD, NEXT, UNDO, GENERATE, LEAVE)
