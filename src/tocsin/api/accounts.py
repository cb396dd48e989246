"""What a provider's webhooks may not have told: asked for from time to time, once for all numbers of an account.

A webhook that was missed cannot be asked for. A template that was paused, or a limit that was raised, meanwhile can.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from tocsin.kernel.errors import TocsinError
from tocsin.messaging import commands, queries
from tocsin.messaging.values import Channel

KIND = "whatsapp"
LOOK_SECONDS = 60.0
AGAIN_AFTER = timedelta(minutes=15)  # an account that could not be asked
_LOG = logging.getLogger("tocsin.api")


def accounts(wired: Any, *, stop: threading.Event) -> Callable[[], None]:
    """Return a look that pauses, then asks every account whose time has come: who just started has more to do."""

    def look() -> None:
        stop.wait(LOOK_SECONDS)
        for channel in _one_of_each():
            if stop.is_set():
                return
            _ask(wired, channel)

    return look


def _one_of_each() -> list[Channel]:
    found: dict[str, Channel] = {}
    for channel in queries.channels():
        if channel.kind == KIND:
            found.setdefault(channel.account, channel)
    return list(found.values())


def _ask(wired: Any, channel: Channel) -> None:
    """Ask one account if it is due; one that does not answer must not hold up the others."""
    try:
        secrets = queries.channel_secrets(channel.name)
        every = timedelta(hours=wired.whatsapp(channel.name, settings=channel.settings, secrets=secrets).ask_hours)
        if not every or not commands.take_account_turn(channel.account, every=every):
            return
        templates, lines = asyncio.run(_told(wired, channel, secrets))
        commands.save_templates(channel.account, templates, complete=True)
        commands.tell_lines(lines)
    except TocsinError as error:
        commands.return_account_turn(channel.account, after=AGAIN_AFTER)
        # Its kind only: the text may name what is nobody's business here.
        _LOG.warning("asking about the account of channel %s: %s", channel.name, type(error).__name__)


async def _told(wired: Any, channel: Channel, secrets: Mapping[str, str]) -> Any:
    account = wired.whatsapp(channel.name, settings=channel.settings, secrets=secrets)
    try:
        return await account.told()
    finally:
        await account.close()
