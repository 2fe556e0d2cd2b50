"""`cems history path`: where the records are."""

from __future__ import annotations

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.profile import Profile


def path(json: o.Json = False) -> None:
    """Print where the database and the pictures are."""
    profile = Profile.current()
    database, pictures = profile.paths.database, profile.pictures
    if json:
        output.json_document({"database": str(database), "pictures": str(pictures)})
        return
    output.line(str(database))
    output.line(str(pictures))
