"""The channels staff connected: their settings, their sealed secrets, and whether they are held."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from tocsin.journal import commands as journal
from tocsin.journal.values import MACHINE, Author
from tocsin.kernel import clock
from tocsin.kernel.language import gettext as _
from tocsin.kernel.loading import lazily
from tocsin.messaging.errors import ChannelNotUnderstood, NoSuchChannel
from tocsin.messaging.values import Channel
from tocsin.staff import permissions, queries as staff, secrets as sealing
from tocsin.staff.permissions import Act

models = lazily("tocsin.messaging.models")

# Facts a provider tells of a line that take the place of settings of the same name.
DECIDED_BY_PROVIDER = ("level", "people_per_day")


def add_channel(
    name: str,
    *,
    kind: str,
    line: str = "",
    account: str = "",
    portfolio: str = "",
    settings: Mapping[str, Any],
    secrets: Mapping[str, str],
    replace: bool = False,
    by: Author,
) -> Channel:
    """Connect a channel under a name, sealing its secrets.

    ``replace`` changes the settings and secrets of one that is connected; what holds it is lifted, a pause is not. What
    is known of its line (who wrote to it, its paces, files and health) is forgotten when that becomes another one.
    """
    check_may_connect(by)
    if not name or name != name.strip() or not name.isprintable() or ":" in name:
        raise ChannelNotUnderstood(
            _("{name} cannot be the name of a channel.").format(name=repr(name)),
            mend=_("Choose a short name such as whatsapp-main."),
        )
    with transaction.atomic(), sealing.unchanged_key():
        row = models.MessagingChannel.objects.select_for_update().filter(name=name).first()
        connected = row is not None
        if connected and not replace:
            raise ChannelNotUnderstood(
                _("A channel called {name} is connected already.").format(name=name),
                mend=_("Choose another name, or change this one with --replace."),
            )
        if connected and row.kind != kind:
            raise ChannelNotUnderstood(
                _("{name} is of the kind {kind}.").format(name=name, kind=row.kind),
                mend=_("Remove it first, or choose another name."),
            )
        _check_line_is_free(name, kind=kind, line=line)
        row = row or models.MessagingChannel(name=name, kind=kind, added_at=clock.now())
        line_before = row.line if connected else line
        if line_before != line:
            _forget_line(name)
            row.health = {}
        row.line, row.account, row.portfolio, row.settings = line, account, portfolio, dict(settings)
        row.held_until, row.held_reason = None, ""
        row.sealed = sealing.seal(json.dumps(dict(secrets)).encode(), about=about(name))
        row.save()
        facts: dict[str, Any] = {
            "name": name, "kind": kind, "line": line, "account": account, "portfolio": portfolio,
            "settings": dict(settings), "secrets": sorted(secrets),
        }  # fmt: skip
        if line_before != line:
            facts["line_before"] = line_before
        verb = "messaging.channel_changed" if connected else "messaging.channel_connected"
        journal.write(verb=verb, subject=about(name), by=by, facts=facts)
    return _channel_of(row)


def remove_channel(name: str, *, reason: str, by: Author) -> Channel:
    """Disconnect a channel and forget its secrets and its line; what waits for it waits for one of the same name."""
    check_may_connect(by)
    with transaction.atomic():
        row = row_of(name, locked=True)
        removed = _channel_of(row)
        _forget_line(name)
        row.delete()
        journal.write(
            verb="messaging.channel_removed", subject=about(name), by=by, facts={"name": name, "reason": reason}
        )
    return removed


def _forget_line(name: str) -> None:
    """Forget what was true of the number a channel had: nobody wrote to the next one yet, no file lies there."""
    models.LinePace.objects.filter(scope=f"line:{name}").delete()  # first, as claims lock it
    for rows in (models.PairPace, models.ServiceWindow, models.UploadedFile):
        rows.objects.filter(channel=name).delete()


def check_may_connect(by: Author) -> None:
    """Raise SignatureNeeded unless the author may change what Tocsin is connected to."""
    permissions.check(Act.CONNECT_SYSTEM if staff.is_begun() else Act.BEGIN_CONNECTING, by=by)


def hold_channel(name: str, *, until: datetime | None, reason: str, by: Author = MACHINE) -> None:
    """Send nothing more on a channel until a moment, or until somebody releases it, for a reason the provider gave.

    A hold never shortens one that lasts longer.
    """
    with transaction.atomic():
        row = row_of(name, locked=True)
        if row.held_reason and until is not None and (row.held_until is None or row.held_until > until):
            return
        begins = not row.held_reason
        row.held_until, row.held_reason = until, reason
        row.save(update_fields=["held_until", "held_reason"])
        if begins:  # once an outage, not once a refused message
            facts = {"name": name, "reason": reason}
            journal.write(verb="messaging.channel_held", subject=about(name), by=by, facts=facts)


def release_channel(name: str, *, by: Author = MACHINE) -> None:
    """Say that a channel that was held may send again."""
    with transaction.atomic():
        row = row_of(name, locked=True)
        if row.held_reason:
            row.held_until, row.held_reason = None, ""
            row.save(update_fields=["held_until", "held_reason"])
            journal.write(verb="messaging.channel_released", subject=about(name), by=by, facts={"name": name})


def channels() -> tuple[Channel, ...]:
    """Return the connected channels by name."""
    return tuple(_channel_of(row) for row in models.MessagingChannel.objects.order_by("name"))


def channel(name: str) -> Channel:
    """Return one channel; NoSuchChannel when none has this name."""
    return _channel_of(row_of(name))


def channel_secrets(name: str) -> Mapping[str, str]:
    """Return the secrets of a channel, opened. They are for its integration only, and shown never."""
    opened: dict[str, str] = json.loads(sealing.unseal(bytes(row_of(name).sealed), about=about(name)))
    return opened


def _check_line_is_free(name: str, *, kind: str, line: str) -> None:
    other = models.MessagingChannel.objects.filter(kind=kind, line=line).exclude(name=name).first() if line else None
    if other is not None:
        raise ChannelNotUnderstood(
            _("{name} sends on this line already.").format(name=other.name),
            mend=_("Change that one with --replace, or remove it first."),
        )


def _channel_of(row: Any) -> Channel:
    return Channel(
        name=row.name, kind=row.kind, line=row.line, account=row.account, portfolio=row.portfolio,
        settings={**row.settings, **_decided(row)}, paused_at=row.paused_at, paused_reason=row.paused_reason,
        held_until=row.held_until, held_reason=row.held_reason, added_at=row.added_at,
    )  # fmt: skip


def _decided(row: Any) -> dict[str, Any]:
    """Return what the provider decided meanwhile of a line's settings: senders follow it at their next look."""
    return {key: row.health[key] for key in DECIDED_BY_PROVIDER if row.health.get(key) is not None}


def row_of(name: str, *, locked: bool = False) -> Any:
    """Return the row of a channel, locked until the transaction ends when asked; NoSuchChannel when there is none."""
    found = models.MessagingChannel.objects.select_for_update() if locked else models.MessagingChannel.objects
    row = found.filter(name=name).first()
    if row is None:
        raise NoSuchChannel(
            _("No channel is called {name}.").format(name=name), mend=_("`tocsin channel list` shows those there are.")
        )
    return row


def about(name: str) -> str:
    """Return what the secrets of a channel are bound to."""
    return f"messaging_channel:{name}"
