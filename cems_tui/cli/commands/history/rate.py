"""`cems history rate`: what a picture is worth to you."""

from __future__ import annotations

from typing import Annotated

import typer

from cems_tui.cli import output
from cems_tui.errors import UsageError
from cems_tui.profile import Profile


def rate(
    picture: Annotated[str, typer.Argument(metavar="ID", help="A picture's id, or its beginning.")],
    rating: Annotated[str, typer.Argument(metavar="1-5", help="1 to 5, or `none`.")],
) -> None:
    """Rate a picture from 1 to 5, or take the rating back."""
    if rating != "none" and not (rating.isascii() and rating.isdigit() and len(rating) < 9):
        raise UsageError(f"{rating!r} is no rating", "Give 1 to 5, or none.")
    with Profile.current().records() as store:
        made = store.generation(picture)
        store.rate(made.id, None if rating == "none" else int(rating))
    output.line(f"{made.id}: {'not rated' if rating == 'none' else rating}")
