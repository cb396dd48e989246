"""Who acts: the options every command that changes rows has, and what they say."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from tocsin.journal.values import Assurance, Author
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext as _
from tocsin.kernel.redaction import printable
from tocsin.staff import queries as staff

_OPTIONS = (
    click.option("--as", "name", metavar="NAME", default="", help="Who acts; without a key this is only asserted."),
    click.option(
        "--key", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="Sign with the key in this file."
    ),
    click.option(
        "--passphrase-file",
        type=click.Path(path_type=Path, dir_okay=False, exists=True),
        help="Read the key's passphrase here instead of asking.",
    ),
    click.option("--agent", is_flag=True, help="Sign with the key that ssh-agent holds."),
)


@dataclass(frozen=True, slots=True)
class Acting:
    """What the command line said about who acts."""

    name: str
    key: Path | None
    passphrase_file: Path | None
    agent: bool

    def author(self) -> Author:
        """Return who acts, and say on stderr when that is only asserted; the database must be open."""
        if (self.key or self.agent) and not self.name:
            raise TocsinError(_("A signature needs a name."), mend=_("Add --as NAME."))
        if self.key:
            return staff.author_with_file(self.name, key_file=self.key, passphrase=passphrase(self.passphrase_file))
        if self.agent:
            return staff.author_with_agent(self.name)
        acts = staff.asserted_author(self.name)
        click.echo(_("Acting as {name} (asserted, not signed).").format(name=printable(acts.name)), err=True)
        return acts


def acting(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--as``, ``--key``, ``--passphrase-file`` and ``--agent``; the command gets them as ``acts``."""

    @wraps(function)
    def collected(
        *args: Any, name: str, key: Path | None, passphrase_file: Path | None, agent: bool, **others: Any
    ) -> Any:
        return function(*args, acts=Acting(name, key, passphrase_file, agent), **others)

    wrapped: Callable[..., Any] = collected
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def passphrase(file: Path | None, *, again: bool = False) -> str:
    """Return a passphrase from a file (its first line) or by asking on the terminal, twice for a new key."""
    if file:
        lines = file.read_text(encoding="utf-8").splitlines()
        return lines[0] if lines else ""
    asked: str = click.prompt(_("Passphrase"), hide_input=True, confirmation_prompt=again, err=True)
    return asked


def said_by(name: str, assurance: str) -> str:
    """Return a name with how sure it is, for printing."""
    words = {
        Assurance.SIGNED: _("{name} (signed)"),
        Assurance.ASSERTED: _("{name} (asserted)"),
        Assurance.MACHINE: _("{name} (itself)"),
    }
    return words[Assurance(assurance)].format(name=printable(name))
