"""The prompt box: text is data here, whatever it contains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from rich.text import Text
from textual import events, on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Offset
from textual.message import Message
from textual.reactive import var
from textual.strip import Strip
from textual.widgets import TextArea

from cems_tui.routing.explain.words import UNLIKE
from cems_tui.text import MAX_PROMPT_CHARACTERS, visible
from screens.services.wildcards import wildcard
from screens.studio.prompt_variants import count_of, lines_of

NEW_GROUND, WIDE = "new ground: a rough guess", 78
"""What is said in fewer columns of a prompt unlike those the router was taught with."""

MOST_REMEMBERED = 500
"""Prompts that can be called back."""

MOST_PASTED = 4 * MAX_PROMPT_CHARACTERS
"""Characters that a paste may make of the text: several lines can be several prompts."""

NEARLY_FULL = MAX_PROMPT_CHARACTERS * 9 // 10
"""Characters from which on the count is shown."""


TERMINAL_KEYS = frozenset({"ctrl+s", "ctrl+z", "ctrl+i", "ctrl+j", "ctrl+m", "ctrl+b", "ctrl+a"})
"""Terminals, shells and multiplexers use these themselves; they are never bound."""


def _editing_keys() -> list[BindingType]:
    """The text area's own bindings without the terminal's keys."""
    kept: list[BindingType] = []
    for binding in TextArea.BINDINGS:
        if isinstance(binding, Binding):
            keys = [key for key in binding.key.split(",") if key not in TERMINAL_KEYS]
            if keys:
                kept.append(replace(binding, key=",".join(keys)))
    return kept


class PromptBox(TextArea, inherit_bindings=False):
    """Several lines of prompt; reports each change, and shows what is known about the text."""

    HELP = (
        "Write what the picture should show; every generation function is priced as you type. "
        "enter starts a new line, ctrl+g draws; several lines can be drawn each. {red|blue} draws "
        "one of each, __colour__ one of each line of wildcards/colour.txt beside config.toml. ↑ in "
        "the first line and ↓ in the last call back earlier prompts. "
        f"{MAX_PROMPT_CHARACTERS:,} characters is the most. alt+z takes back, ctrl+y does again."
    )

    BINDINGS: ClassVar[list[BindingType]] = [
        *_editing_keys(),
        Binding("alt+z", "undo", "Undo", show=False),
    ]

    @dataclass
    class Edited(Message):
        """The prompt is another one now."""

        prompt: str

    in_distribution: var[bool | None] = var(None)
    """Whether the router knows prompts like this one; None when it was not asked."""

    def __init__(self, text: str = "") -> None:
        super().__init__(
            text,
            id="prompt",
            show_line_numbers=False,
            tab_behavior="focus",
            highlight_cursor_line=False,
            placeholder="Describe a picture",
        )
        self.border_title = "Prompt"
        self._past: tuple[str, ...] = ()
        self._back = 0
        """How many prompts back the text is; 0 is what is being written."""

        self._draft = ""
        self._typed = ""
        """Letters that came and do not stand in the text yet."""

    async def _on_key(self, event: events.Key) -> None:
        """Letters that come at once are written at once: each wraps the whole line. An editing
        key is followed in its turn: bubbling up, it would come after what was typed behind it.
        """
        bound = self._bindings.key_to_bindings.get(event.key, ())[:1]
        letter = None if bound else _letter(event)
        if letter is None:
            self.write_typed()
        elif not self._typed:
            self.call_later(self.write_typed)  # after the keys that wait already
        self._typed += letter or ""
        if bound or event.is_printable or letter is not None:
            event.prevent_default()  # the text area would write the q of alt+q
        if bound or letter is not None:
            event.stop()
        for binding in bound:
            await self.run_action(binding.action)

    def write_typed(self) -> None:
        """Puts the letters where the cursor is, or for what is selected."""
        typed, self._typed = self._typed, ""
        if typed:
            self._restart_blink()
            self.replace(typed, *self.selection, maintain_selection_offset=False)

    def on_mouse_down(self) -> None:
        self.write_typed()

    async def _on_paste(self, event: events.Paste) -> None:
        """Far more than a prompt is left in the clipboard: wrapping it would hold up every key."""
        self.write_typed()
        if len(self.text) - len(self.selected_text) + len(event.text) > MOST_PASTED:
            event.stop()
            event.prevent_default()
            self.app.notify(
                f"{len(event.text):,} characters; {MAX_PROMPT_CHARACTERS:,} is the most of a "
                "prompt. They are still in the clipboard; `cems generate -f FILE` draws a file.",
                title="Not pasted",
                severity="warning",
                markup=False,
            )

    def remember(self, prompts: Sequence[str], *, older: bool = False) -> None:
        """Prompts that ↑ and ↓ call back at the ends of the text, newest first."""
        both = (*self._past, *prompts) if older else (*prompts, *self._past)
        self._past = tuple(dict.fromkeys(both))[:MOST_REMEMBERED]
        self._back = 0

    def action_cursor_up(self, select: bool = False) -> None:
        """A line up; from the first one to the prompt before."""
        if select or self._line > 0 or not self._recall(self._back + 1):
            super().action_cursor_up(select)

    def action_cursor_down(self, select: bool = False) -> None:
        """A line down; from the last one to the prompt after."""
        last = self.wrapped_document.height - 1
        if select or self._line < last or not self._recall(self._back - 1):
            super().action_cursor_down(select)

    @property
    def _line(self) -> int:
        """Where the cursor is, counted in lines as they are wrapped."""
        return self.wrapped_document.location_to_offset(self.cursor_location).y

    def _recall(self, back: int) -> bool:
        """Puts the prompt that is so many back into the box; 0 is what was being written."""
        if not 0 <= back <= len(self._past) or (back == 0 and self._back == 0):
            return False
        if self._back == 0:
            self._draft = self.text
        self._back = back
        self.text = self._past[back - 1] if back else self._draft
        self.move_cursor(self.document.end)
        return True

    def scroll_cursor_visible(self, center: bool = False, animate: bool = False) -> Offset:
        """Not while lines are taken back under the cursor, which the text area does not expect."""
        if self.cursor_location[0] >= self.document.line_count:
            return Offset()
        return super().scroll_cursor_visible(center, animate)

    def render_line(self, y: int) -> Strip:
        """Nothing where there is no column to write in, which the text area does not expect."""
        return super().render_line(y) if self.content_size.width > 0 else Strip.blank(0)

    def get_line(self, line_index: int) -> Text:
        """The line as it is drawn: escapes and overrides are shown, one cell each, not obeyed."""
        line = self.document.get_line(line_index)
        return Text("".join(_one_cell(letter) for letter in line), end="", no_wrap=True)

    @property
    def too_long(self) -> bool:
        return len(self.text) > MAX_PROMPT_CHARACTERS

    def on_mount(self) -> None:
        self._say_what_is_known()

    @on(TextArea.Changed)
    def _report(self, event: TextArea.Changed) -> None:
        event.stop()
        self._say_what_is_known()
        self.post_message(self.Edited(self.text))

    def watch_in_distribution(self) -> None:
        self._say_what_is_known()

    def _say_what_is_known(self) -> None:
        count, words = len(self.text), len(self.text.split())
        parts: list[tuple[str, str]] = []
        if words:
            parts.append((f"{words} word{'' if words == 1 else 's'}", ""))
        if len(lines_of(self.text)) == 1 and (prompts := count_of(self.text, wildcard)) > 1:
            parts.append((f"{prompts:,} prompts", "bold"))
        if self.too_long:
            words_of_it = f"! {count:,} characters; {MAX_PROMPT_CHARACTERS:,} is the most"
            parts = [(words_of_it, "bold $error")]
        elif count >= NEARLY_FULL:
            parts.append((f"{count:,} of {MAX_PROMPT_CHARACTERS:,} characters", "$warning"))
        if words and self.in_distribution is not None:
            known = self.in_distribution
            strange = UNLIKE if self.size.width >= WIDE else NEW_GROUND
            text = "known ground" if known else f"! {strange}"
            parts.append((text, "" if known else "$warning"))
        pieces = [Content.styled(text, style) for text, style in parts]
        self.border_subtitle = Content(" · ").join(pieces) if pieces else None


def _letter(event: events.Key) -> str | None:
    """What a key writes; None of one that writes nothing, such as `alt+q`, which has a letter."""
    if event.key == "enter":
        return "\n"
    return event.character if event.is_printable and not event.key.startswith("alt+") else None


def _one_cell(letter: str) -> str:
    shown = visible(letter)
    return shown if len(shown) == 1 else "�"
