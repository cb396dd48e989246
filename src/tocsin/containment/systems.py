"""The systems staff connected: their settings, their sealed secrets, and whether they are held."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from tocsin.containment.errors import NoSuchSystem, SystemNotUnderstood, SystemTaken
from tocsin.containment.values import GATE, System
from tocsin.journal import commands as journal
from tocsin.journal.values import MACHINE, Author
from tocsin.kernel import clock
from tocsin.kernel.language import gettext as _
from tocsin.kernel.loading import lazily
from tocsin.staff import permissions, queries as staff, secrets as sealing
from tocsin.staff.permissions import Act

models = lazily("tocsin.containment.models")


def add_system(
    name: str,
    *,
    kind: str,
    settings: Mapping[str, Any],
    secrets: Mapping[str, str],
    replace: bool = False,
    by: Author,
) -> System:
    """Connect a system under a name, sealing its secrets.

    ``replace`` changes the settings and secrets of one that is connected. A name that was removed may be given again.
    """
    check_may_connect(by)
    if not name or name != name.strip() or name == GATE or not name.isprintable():
        raise SystemNotUnderstood(
            _("{name} cannot be the name of a connected system.").format(name=repr(name)),
            mend=_("Choose a short name such as ldap-main; {gate} is our own list.").format(gate=GATE),
        )
    with transaction.atomic(), sealing.unchanged_key():
        row = models.ConnectedSystem.objects.select_for_update().filter(name=name).first()
        connected = row is not None and row.removed_at is None
        if connected and not replace:
            raise SystemTaken(
                _("A system called {name} is connected already.").format(name=name),
                mend=_("Choose another name, or change this one with --replace."),
            )
        if connected and row.kind != kind:
            raise SystemTaken(
                _("{name} is of the kind {kind}.").format(name=name, kind=row.kind),
                mend=_("Remove it first, or choose another name."),
            )
        row = row or models.ConnectedSystem(name=name)
        row.kind, row.settings, row.removed_at = kind, dict(settings), None
        row.held_until, row.held_reason = None, ""
        if not connected:
            row.added_at, row.done_cursor = clock.now(), ""
        row.sealed = sealing.seal(json.dumps(dict(secrets)).encode(), about=about(row.id))
        row.save()
        facts = {"name": name, "kind": kind, "settings": dict(settings), "secrets": sorted(secrets)}
        verb = "containment.system_changed" if connected else "containment.system_connected"
        journal.write(verb=verb, subject=about(row.id), by=by, facts=facts)
    return system_of(row)


def remove_system(name: str, *, reason: str, by: Author) -> System:
    """Disconnect a system and forget its secrets; what waits for it waits until it is connected again."""
    check_may_connect(by)
    with transaction.atomic():
        row = _row(name, locked=True)
        row.removed_at = clock.now()
        row.sealed = b""
        row.save(update_fields=["removed_at", "sealed"])
        facts = {"name": name, "reason": reason}
        journal.write(verb="containment.system_removed", subject=about(row.id), by=by, facts=facts)
    return system_of(row)


def check_may_connect(by: Author) -> None:
    """Raise SignatureNeeded unless the author may change what Tocsin is connected to."""
    permissions.check(Act.CONNECT_SYSTEM if staff.is_begun() else Act.BEGIN_CONNECTING, by=by)


def hold_system(name: str, *, until: datetime, reason: str, by: Author = MACHINE) -> None:
    """Leave a system alone until a moment, because the whole of it does not answer."""
    with transaction.atomic():
        row = _row(name, locked=True)
        begins = row.held_until is None
        row.held_until, row.held_reason = until, reason
        row.save(update_fields=["held_until", "held_reason"])
        if begins:  # once an outage, not once a try
            facts = {"name": name, "reason": reason}
            journal.write(verb="containment.system_held", subject=about(row.id), by=by, facts=facts)


def release_system(name: str, *, by: Author = MACHINE) -> None:
    """Say that a system that was held answers again."""
    with transaction.atomic():
        row = _row(name, locked=True)
        if row.held_until is not None:
            row.held_until, row.held_reason = None, ""
            row.save(update_fields=["held_until", "held_reason"])
            journal.write(verb="containment.system_released", subject=about(row.id), by=by, facts={"name": name})


def keep_cursor(name: str, *, cursor: str) -> None:
    """Remember how far a system was asked what people did; an aid of ours, not a fact for the journal."""
    models.ConnectedSystem.objects.filter(name=name, removed_at=None).update(done_cursor=cursor)


def systems(*, removed: bool = False) -> tuple[System, ...]:
    """Return the connected systems by name; with ``removed`` also those that were."""
    found = models.ConnectedSystem.objects.order_by("name")
    return tuple(system_of(row) for row in (found if removed else found.filter(removed_at=None)))


def system(name: str) -> System:
    """Return one connected system; NoSuchSystem when none has this name."""
    return system_of(_row(name))


def secrets_of(name: str) -> Mapping[str, str]:
    """Return the secrets of a connected system, opened. They are for its connector only, and shown never."""
    row = _row(name)
    opened: dict[str, str] = json.loads(sealing.unseal(bytes(row.sealed), about=about(row.id)))
    return opened


def system_of(row: Any) -> System:
    """Return a row as others see it."""
    return System(
        id=row.id, name=row.name, kind=row.kind, settings=row.settings, added_at=row.added_at,
        removed_at=row.removed_at, held_until=row.held_until, held_reason=row.held_reason, done_cursor=row.done_cursor,
    )  # fmt: skip


def _row(name: str, *, locked: bool = False) -> Any:
    found = models.ConnectedSystem.objects.select_for_update() if locked else models.ConnectedSystem.objects
    row = found.filter(name=name, removed_at=None).first()
    if row is None:
        raise NoSuchSystem(
            _("No connected system is called {name}.").format(name=name),
            mend=_("`tocsin connector list` shows those there are."),
        )
    return row


def about(id: UUID) -> str:
    """Return what its secrets are bound to."""
    return f"connected_system:{id}"
