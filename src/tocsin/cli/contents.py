"""The table of contents of the command line: what stands below each group, so that it is listed without being loaded.

``contents.json`` is written from the commands themselves by ``bin/reference``: name -> {"help", "commands"}.
"""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import click
import orjson
from click.shell_completion import CompletionItem

from tocsin.kernel.language import gettext as _

FILE = Path(__file__).with_name("contents.json")
Page = Mapping[str, Any]


@cache
def pages() -> Page:
    """Return the page of every group below ``tocsin``; nothing when the file was not written yet."""
    found: Page = orjson.loads(FILE.read_bytes()) if FILE.exists() else {}
    return found


def page_of(command: click.Command) -> Page:
    """Return what the table of contents says of a command, from the command itself."""
    page: dict[str, Any] = {"help": sentences(command.help or "")}
    if isinstance(command, click.Group):
        page["commands"] = {name: page_of(command.commands[name]) for name in sorted(command.commands)}
    return page


def plain(command: click.Command) -> bool:
    """Return whether a command is a group that only leads to others: such a group has a page."""
    return type(command) is click.Group and not command.params and not command.invoke_without_command


class Contents(click.Group):
    """A group as its page shows it. Its file is loaded when one of its commands is run or asked for its help."""

    def __init__(self, name: str, *, page: Page, load: Callable[[], click.Group]) -> None:
        super().__init__(name=name, help=_(page["help"]))
        self.page = page
        self.load = load

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.page["commands"])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        page = self.page["commands"].get(cmd_name, {})
        if "commands" in page:
            return Contents(cmd_name, page=page, load=lambda: _group(self.load(), cmd_name))
        if not page and cmd_name.startswith("-"):
            return None  # click says what is wrong with an option
        found = self.load().commands.get(cmd_name)
        if found is None:
            raise click.NoSuchCommand(cmd_name, possibilities=list(self.page["commands"]), ctx=ctx)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section(_("Commands")):
            formatter.write_dl([(name, short(page)) for name, page in self.page["commands"].items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        named = [(name, short(page)) for name, page in self.page["commands"].items()]
        return [*completed(named, incomplete), *click.Command.shell_complete(self, ctx, incomplete)]


def short(page: Page) -> str:
    """Return the first paragraph of a help text, in the reader's language."""
    return _(page["help"]).split("\n\n")[0]


def completed(named: list[tuple[str, str]], incomplete: str) -> list[CompletionItem]:
    """Return what a shell offers for the beginning of a name."""
    return [CompletionItem(name, help=text) for name, text in named if name.startswith(incomplete)]


def sentences(text: str) -> str:
    """Return a help text as it stands in the catalogue: one line a paragraph."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _group(above: click.Group, name: str) -> click.Group:
    below = above.commands[name]
    if not isinstance(below, click.Group):
        raise TypeError(f"{name} is not a group any more: run bin/reference")
    return below
