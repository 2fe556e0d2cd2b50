"""The commands of the gallery."""

from __future__ import annotations

from screens.commands import GENERATE, Command

OPEN = Command(
    "gallery.open", "enter", "open", "Open the receipt",
    "The picture as large as fits, and everything that is known of it; of a session its pictures.",
    footer="receipt",
)  # fmt: skip
FIND = Command(
    "gallery.find", "slash", "find", "Search the pictures",
    "Words of the prompt, and model: function: score: cost: since: star: …; esc shows all again.",
    footer="find", letter=True,
)  # fmt: skip
COMPARE = Command(
    "gallery.compare", "c", "compare", "Compare pictures side by side",
    "Two to four that space marked; of one marked, that and the one under the cursor.",
    footer="compare", letter=True,
)  # fmt: skip
RATES = (
    Command(
        "gallery.rate-1", "1", "rate(1)", "Rate the picture 1",
        "1 to 5 rate it, 0 takes the rating back.", footer="to 5 rate", letter=True,
    ),
    *(
        Command(
            f"gallery.rate-{mark}", f"{mark}", f"rate({mark})", f"Rate the picture {mark}",
            "1 to 5 rate it, 0 takes the rating back.", letter=True,
        )
        for mark in (2, 3, 4, 5)
    ),
    Command(
        "gallery.unrate", "0", "rate(0)", "Take the rating back", "The picture is not rated then.",
        letter=True,
    ),
)  # fmt: skip
STAR = Command(
    "gallery.star", "s", "star", "Star the picture", "Stars it, or takes the star back.",
    letter=True,
)  # fmt: skip
REMIX = Command(
    "gallery.remix", "r", "remix", "Remix in the studio",
    "Takes the prompt and the settings of the picture into the studio.", footer="remix",
    letter=True,
)  # fmt: skip
REDRAW = Command(
    "gallery.redraw", "f", "redraw", "Draw again with another function",
    "The same prompt, seed and size, by a function that you choose.", letter=True,
)  # fmt: skip
WHY = Command(
    "gallery.why", "w", "why", "Why this function",
    "What of the prompt spoke for the pick, and what would have changed it.", letter=True,
)  # fmt: skip
COPY = Command(
    "gallery.copy", "y", "copy_command", "Copy as a cems command",
    "The command that draws the very same picture again.", letter=True,
)  # fmt: skip
OUTSIDE = Command(
    "gallery.outside", "o", "outside", "Open outside",
    "Shows the file with the program that shows pictures here.", letter=True,
)  # fmt: skip
EXPORT = Command(
    "gallery.export", "e", "export", "Export the marked pictures",
    "Copies them into a folder, receipts and all; without marks the one under the cursor.",
    letter=True,
)  # fmt: skip
TRASH = Command(
    "gallery.trash", "d", "trash", "Put into the trash",
    "The marked pictures, else the one under the cursor; u takes them back.", footer="trash",
    letter=True,
)  # fmt: skip
UNDO = Command(
    "gallery.undo", "u", "undo", "Take back from the trash", "What went there last.",
    footer="undo", letter=True,
)  # fmt: skip
VIEW = Command(
    "gallery.view", "v", "view", "Pictures, sessions, charts",
    "The next of the three; a click on its word does the same.", footer="view", letter=True,
)  # fmt: skip
THUMBNAILS = Command(
    "gallery.thumbnails", "t", "thumbnails", "Thumbnails in the list",
    "Shows them, or as many rows as fit instead.", letter=True,
)  # fmt: skip
LEAVE = Command(
    "gallery.back", "escape", "back", "Show all, then back to the studio",
    "Ends a search first, then unmarks, then leaves.",
)  # fmt: skip

GALLERY = (
    OPEN, FIND, VIEW, COMPARE, *RATES, REMIX, TRASH, UNDO, STAR, REDRAW, WHY, COPY, OUTSIDE,
    EXPORT, THUMBNAILS, GENERATE, LEAVE,
)  # fmt: skip
