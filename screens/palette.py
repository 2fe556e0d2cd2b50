"""The commands in the palette; imported when the palette is opened first."""

from __future__ import annotations

from collections.abc import Iterator

from textual.command import DiscoveryHit, Hit, Hits, Provider

from screens import commands
from screens.commands import Command


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
                    f"{command.help} ({commands.key_of(command, self.app)})",
                )

    def _commands(self) -> Iterator[Command]:
        yield from getattr(self.screen, "COMMAND_LIST", ())
        yield from (command for command in commands.APP if command is not commands.PALETTE)

    def _label(self, command: Command) -> str:
        return f"{command.title}  {commands.key_of(command, self.app)}"

    def _run(self, command: Command):  # type: ignore[no-untyped-def]
        node = self.app if command in commands.APP else self.screen

        async def run() -> None:
            await self.app.run_action(command.action, default_namespace=node)

        return run
