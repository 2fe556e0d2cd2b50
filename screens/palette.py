"""The commands in the palette; imported when the palette is opened first."""

from __future__ import annotations

from collections.abc import Iterator

from textual.command import DiscoveryHit, Hit, Hits, Provider

from screens import places
from screens.commands import PALETTE, Command, key_of


class CemsCommands(Provider):
    """Commands of the screen below the palette, then those of the app."""

    async def discover(self) -> Hits:
        for command in self._commands():
            yield DiscoveryHit(
                self._label(command), self._run(command), command.title, command.help
            )

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for command in self._commands():
            score = matcher.match(command.title)
            if score > 0:
                yield Hit(
                    score,
                    matcher.highlight(command.title),
                    self._run(command),
                    command.title,
                    f"{command.help} ({key_of(command, self.app)})",
                )

    def _commands(self) -> Iterator[Command]:
        yield from places.commands_on(self.screen)
        yield from (command for command in places.APP if command is not PALETTE)

    def _label(self, command: Command) -> str:
        return f"{command.title}  {key_of(command, self.app)}"

    def _run(self, command: Command):  # type: ignore[no-untyped-def]
        node = self.app if command in places.APP else self.screen

        async def run() -> None:
            await self.app.run_action(command.action, default_namespace=node)

        return run
