"""The last line: the keys that do something now, as many as fit whole."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.content import Content
from textual.reactive import reactive
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input, TextArea

from screens.commands import CHORD, GENERATE, HELP, PALETTE, QUIT, key_name

ALWAYS = frozenset({GENERATE.footer, PALETTE.footer})
"""The words that stay when there is too little room for all."""

ALWAYS_LAST = (PALETTE.footer, HELP.footer, QUIT.footer)
MOST = 7
"""Keys that are told at once; the palette has all."""


class KeyLine(Widget):
    """`ctrl+g generate  ctrl+p commands …`, clickable; follows the focus."""

    def __init__(self) -> None:
        super().__init__(id="keys")
        self._places: list[tuple[int, int, str]] = []

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._update)

    def _update(self, _screen: Screen[object]) -> None:
        self.refresh()

    def render(self) -> Content:
        keys = self._offered()[:MOST]
        parts: list[Content] = []
        self._places, column = [], 1
        for key, word in fitting(keys, self.content_size.width - 1):
            part = Content.assemble((key_name(key), "bold $quality"), f" {word}")
            self._places.append((column, column + part.cell_length, key))
            column += part.cell_length + 2
            parts.append(part)
        return Content(" ") + Content("  ").join(parts)

    def _offered(self) -> list[tuple[str, str]]:
        """A key of everything that can be done now; while one writes one that does not print."""
        writes = isinstance(self.screen.focused, TextArea | Input)
        found: dict[str, tuple[str, str]] = {}
        for _, binding, enabled, _ in self.screen.active_bindings.values():
            if not (binding.show and enabled):
                continue
            chord = (binding.id or "").endswith(CHORD)
            if binding.action not in found or chord == writes:
                found[binding.action] = (binding.key, binding.description)
        first = [(key, word) for key, word in found.values() if word == GENERATE.footer]
        last = [key for key in found.values() if key[1] in ALWAYS_LAST]
        rest = [key for key in found.values() if key not in first and key not in last]
        return [*first, *rest[: MOST - len(first) - len(last)], *last]

    def on_click(self, event: events.Click) -> None:
        for start, end, key in self._places:
            if start <= event.x < end:
                self.app.simulate_key(key)


class KeyWords(Widget):
    """Under a question: `enter pulls · esc closes`, each clickable as its key."""

    words: reactive[str] = reactive("", layout=True)

    def __init__(self, words: str) -> None:
        super().__init__(classes="key-words")
        self.set_reactive(KeyWords.words, words)
        self._places: list[tuple[int, int, str]] = []

    def tell(self, words: str) -> None:
        """Other words; also while it is not on the screen yet."""
        if self.is_attached:
            self.words = words
        else:
            self.set_reactive(KeyWords.words, words)

    def render(self) -> Content:
        parts, self._places = [], []
        column = max(0, self.content_size.width - len(self.words))
        for part in self.words.split(" · "):
            key, _, does = part.partition(" ")
            self._places.append((column, column + len(part), _TYPED.get(key, key)))
            column += len(part) + 3
            parts.append(Content.assemble((key, "bold $quality"), f" {does}"))
        return Content(" · ").join(parts)

    def on_click(self, event: events.Click) -> None:
        event.stop()
        for start, end, key in self._places:
            if start <= event.x < end:
                self.app.simulate_key(key)


_TYPED = {"esc": "escape"}


def fitting(keys: Sequence[tuple[str, str]], width: int) -> list[tuple[str, str]]:
    """The keys that fit into `width` cells, in their order; the first ones and ALWAYS win."""
    cells = {key: len(key_name(key)) + 1 + len(word) + 2 for key, word in keys}
    room = width + 2 - sum(cells[key] for key, word in keys if word in ALWAYS)
    kept = []
    for key, word in keys:
        if word not in ALWAYS:
            if cells[key] > room:
                continue
            room -= cells[key]
        kept.append((key, word))
    return kept
