"""How commands ask Meta about the account of a channel, and change things there."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
import yaml

from tocsin.cli.acting import Acting
from tocsin.cli.wired import Wired
from tocsin.customers.values import AddressKind
from tocsin.journal.values import Author
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext as _
from tocsin.messaging import commands, queries
from tocsin.messaging.errors import NoSuchChannel
from tocsin.messaging.values import Channel

KIND = "whatsapp"
CHANNEL = click.option(
    "--channel", "called", default="", metavar="NAME", help="Which number; needed where there are several."
)  # fmt: skip
T = TypeVar("T")


def numbered(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a command take the number's name by itself or after ``--channel``; it gets it as ``called``."""

    @wraps(function)
    def either(*args: Any, named: str, called: str, **others: Any) -> Any:
        return function(*args, called=named or called, **others)

    wrapped: Callable[..., Any] = click.argument("named", metavar="[NAME]", default="")(either)
    return CHANNEL(wrapped)


def number_called(name: str) -> Channel:
    """Return the channel of this name, or the only WhatsApp number there is."""
    if name:
        found = queries.channel(name)
        if found.kind != KIND:
            raise NoSuchChannel(
                _("{name} is no WhatsApp number.").format(name=name), mend=_("See `tocsin channel list` for those.")
            )
        return found
    numbers = [each for each in queries.channels() if each.kind == KIND]
    if len(numbers) == 1:
        return numbers[0]
    if not numbers:
        raise NoSuchChannel(_("No WhatsApp number is connected."), mend=_("tocsin whatsapp connect NAME connects one."))
    names = ", ".join(each.name for each in numbers)
    raise NoSuchChannel(
        _("There are several numbers."), mend=_("Add --channel with one of {names}.").format(names=names)
    )


def asked(wired: Wired, channel: Channel, ask: Callable[[Any], Awaitable[T]]) -> T:
    """Return what Meta answers about a channel's account; the database must be open."""
    secrets = queries.channel_secrets(channel.name)
    return asked_with(wired, channel.name, settings=channel.settings, secrets=secrets, ask=ask)


def asked_with(
    wired: Wired,
    name: str,
    *,
    settings: Mapping[str, Any],
    secrets: Mapping[str, str],
    ask: Callable[[Any], Awaitable[T]],
) -> T:
    """Return what Meta answers about an account that need not be connected yet."""

    async def asking() -> T:
        account = wired.whatsapp(name, settings=settings, secrets=secrets)
        try:
            return await ask(account)
        finally:
            await account.close()

    return asyncio.run(asking())


def address_of(wired: Wired, channel: Channel, text: str) -> str:
    """Return a telephone number or a business-scoped id in the form it is kept in; AddressNotUnderstood if neither."""
    secrets = queries.channel_secrets(channel.name)
    sending = wired.channel(channel.kind, name=channel.name, settings=channel.settings, secrets=secrets)
    is_scoped = "." in text and text[:2].isalpha()
    return sending.address(text, kind=AddressKind.WHATSAPP if is_scoped else AddressKind.PHONE)


class Change:
    """One change at Meta by a person: first whether they may, then the change, then its record."""

    def __init__(self, wired: Wired, called: str, *, acts: Acting, is_setup: bool = False) -> None:
        self._wired = wired
        self.by: Author = acts.author()
        commands.check_may_change_account(self.by, is_setup=is_setup)
        self.channel = number_called(called)

    def made(self, ask: Callable[[Any], Awaitable[T]], *, what: str, **facts: Any) -> T:
        """Make it and record it; facts hold nobody's address, name or text."""
        answer = asked(self._wired, self.channel, ask)
        commands.record_account_change(self.channel.name, what=what, facts=facts, by=self.by)
        return answer


def document(path: Path) -> Mapping[str, Any]:
    """Return the object in a YAML or JSON file."""
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise TocsinError(_("The file cannot be read."), where=path, mend=_("It is YAML or JSON.")) from error
    if not isinstance(found, dict):
        raise TocsinError(
            _("The file must hold one object."), where=path, mend=_("Its first level must be `key: value` lines.")
        )
    return found


def placed(error: TocsinError, path: Path) -> TocsinError:
    """Return an error about a place in a file with the file before it."""
    return type(error)(error.what, where=f"{path}: {error.where}" if error.where else path, mend=error.mend)


def joined(words: Sequence[object]) -> str:
    """Return words in one cell."""
    return ", ".join(str(word) for word in words)
