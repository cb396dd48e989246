"""The kill switches: one of each channel, and one of all. Whoever throws one knows that nothing is claimed after it."""

from typing import Any

from django.db import connection, transaction

from tocsin.journal import commands as journal
from tocsin.journal.values import Author
from tocsin.kernel import clock
from tocsin.kernel.language import gettext as _
from tocsin.kernel.loading import lazily
from tocsin.messaging.claiming import SWITCH_LOCK
from tocsin.messaging.errors import NoSuchChannel
from tocsin.staff import permissions
from tocsin.staff.permissions import Act

models = lazily("tocsin.messaging.models")


def pause(channel: str | None, *, reason: str, by: Author) -> None:
    """Stop sending on one channel, or on all with None: nothing is claimed after this returned.

    What senders hold by then, at most what they have room for, goes out. Pausing twice keeps the first reason.
    """
    permissions.check(Act.PAUSE_OUTBOX, by=by)
    with transaction.atomic():
        _wait_for_claims()
        if channel is None:
            _switch, thrown = models.MessagingSwitch.objects.get_or_create(
                id=1, defaults={"paused_at": clock.now(), "reason": reason}
            )
        else:
            row = _row(channel)
            thrown = row.paused_at is None
            if thrown:
                row.paused_at, row.paused_reason = clock.now(), reason
                row.save(update_fields=["paused_at", "paused_reason"])
        if thrown:
            _write("messaging.outbox_paused", channel=channel, reason=reason, by=by)


def resume(channel: str | None, *, reason: str, by: Author) -> None:
    """Send again on one channel, or lift the switch of all with None; a channel paused by itself stays so."""
    permissions.check(Act.PAUSE_OUTBOX, by=by)
    with transaction.atomic():
        if channel is None:
            lifted, _rows = models.MessagingSwitch.objects.all().delete()
        else:
            row = _row(channel)
            lifted = row.paused_at is not None
            row.paused_at, row.paused_reason = None, ""
            row.save(update_fields=["paused_at", "paused_reason"])
        if lifted:
            _write("messaging.outbox_resumed", channel=channel, reason=reason, by=by)


def _row(channel: str) -> Any:
    row = models.MessagingChannel.objects.select_for_update().filter(name=channel).first()
    if row is None:
        raise NoSuchChannel(
            _("No channel is called {name}.").format(name=channel), mend=_("`tocsin channel list` shows their names.")
        )
    return row


def _wait_for_claims() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [SWITCH_LOCK])


def _write(verb: str, *, channel: str | None, reason: str, by: Author) -> None:
    about = f"messaging_channel:{channel}" if channel else "outbox"
    personal = {"reason": (reason, about)} if reason else {}
    journal.write(verb=verb, subject=about, by=by, facts={"channel": channel or "all"}, personal=personal)
