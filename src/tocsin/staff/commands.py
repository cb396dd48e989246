"""Everything that changes the operator's people: enrolling and revoking a signing key."""

from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from tocsin.journal import commands as journal_commands
from tocsin.journal.values import Author
from tocsin.kernel import clock
from tocsin.kernel.language import gettext as _
from tocsin.kernel.loading import lazily
from tocsin.staff import agent, keys, permissions, queries
from tocsin.staff.errors import AgentUnusable, KeyTaken, NameTaken, NotEnrolled
from tocsin.staff.permissions import Act
from tocsin.staff.values import KeyKeeping, StaffMember

models = lazily("tocsin.staff.models")


def enrol_with_file(name: str, *, key_file: Path, passphrase: str, by: Author) -> StaffMember:
    """Enrol a person with the key in ``key_file``; a file that does not exist is made, sealed by the passphrase."""
    _check_may_change(by)
    key = (
        keys.unseal(key_file, passphrase=passphrase)
        if key_file.exists()
        else keys.make(key_file, passphrase=passphrase)
    )
    return _enrol(name, public_key=keys.public_bytes(key), kept_in=KeyKeeping.FILE, by=by)


def enrol_with_agent(name: str, *, by: Author) -> StaffMember:
    """Enrol a person with the first Ed25519 key their ssh-agent holds that nobody has enrolled yet."""
    _check_may_change(by)
    held = agent.held_keys()
    free = [key for key in held if not models.StaffMember.objects.filter(public_key=key).exists()]
    if not free:
        raise AgentUnusable(
            _("The ssh-agent holds no Ed25519 key that is not enrolled yet."), mend=_("Add one with `ssh-add`.")
        )
    return _enrol(name, public_key=free[0], kept_in=KeyKeeping.SSH_AGENT, by=by)


def revoke(name: str, *, reason: str, by: Author) -> StaffMember:
    """Revoke a person's key: it signs nothing from now on; what it signed before stays signed."""
    _check_may_change(by)
    with transaction.atomic():
        row = models.StaffMember.objects.select_for_update().filter(name=name, revoked_at__isnull=True).first()
        if row is None:
            raise NotEnrolled(
                _("{name} is not enrolled.").format(name=name), mend=_("`tocsin staff list` shows who is.")
            )
        row.revoked_at = clock.now()
        row.save(update_fields=["revoked_at"])
        _write("staff.revoked", row.id, facts={}, name=name, by=by, more={"reason": (reason, f"staff:{row.id}")})
    return queries.member_of(row)


def _check_may_change(by: Author) -> None:
    permissions.check(Act.CHANGE_STAFF if queries.is_begun() else Act.BEGIN_STAFF, by=by)


def _enrol(name: str, *, public_key: bytes, kept_in: KeyKeeping, by: Author) -> StaffMember:
    if models.StaffMember.objects.filter(public_key=public_key).exists():
        raise KeyTaken(
            _("This key is or was enrolled already."), mend=_("Enrol with a new file, and a fresh key is made.")
        )
    now: datetime = clock.now()
    try:
        with transaction.atomic():
            row = models.StaffMember.objects.create(name=name, public_key=public_key, kept_in=kept_in, enrolled_at=now)
            facts = {"public_key": public_key.hex(), "kept_in": kept_in.value}
            _write("staff.enrolled", row.id, facts=facts, name=name, by=by, more={})
    except IntegrityError as error:
        raise NameTaken(
            _("Somebody called {name} is enrolled already.").format(name=name),
            mend=_("Choose another name, or revoke that key first."),
        ) from error
    return queries.member_of(row)


def _write(
    verb: str, id: UUID, *, facts: dict[str, Any], name: str, by: Author, more: dict[str, tuple[str, str]]
) -> None:
    personal = {"name": (name, f"staff:{id}"), **more}
    journal_commands.write(verb=verb, subject=f"staff:{id}", by=by, facts=facts, personal=personal)
