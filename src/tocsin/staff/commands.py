"""Everything that changes the operator's people, and the keys that seal."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from tocsin.journal import commands as journal_commands
from tocsin.journal.values import Author
from tocsin.kernel import clock, failpoints
from tocsin.kernel.language import gettext as _
from tocsin.kernel.loading import lazily
from tocsin.staff import agent, keyring, keys, permissions, queries, resealing
from tocsin.staff.errors import AgentUnusable, KeyNeeded, KeyTaken, NameTaken, NotEnrolled
from tocsin.staff.permissions import Act
from tocsin.staff.ports import SealedPlace
from tocsin.staff.values import KeyKeeping, KeyUse, Resealed, SealKey, StaffMember

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


def prepare_key(*, by: Author) -> SealKey:
    """Make the key of the next rotation, which opens from now on; the one there is already, if there is one."""
    check_may_rotate(by)
    keyring.current()
    following = keyring.prepare()
    _write_key("staff.key_prepared", following.name, facts={}, by=by)
    return following


def begin_keys(*, reason: str = "", by: Author) -> SealKey:
    """Make the first key, or one over the loss of the one before: what that sealed stays closed until it comes back."""
    check_may_rotate(by)
    if any(key.use is KeyUse.SEALS for key in keyring.held()):
        raise KeyNeeded(
            _("The key that seals is there, and not lost."), mend=_("Rotate it without --lost: nothing gets closed.")
        )
    made = keyring.begin()
    _write_key("staff.key_begun", made.name, facts={}, by=by, reason=reason)
    return made


def rotate_key(*, again: bool = False, reason: str = "", by: Author) -> SealKey | None:
    """Let a new key seal: the one that was prepared, else a fresh one. What was sealed before is opened as before.

    Unless it is ``again``, nothing happens while there are keys that only open: a rotation that was interrupted is to
    be ended first. None then.
    """
    check_may_rotate(by)
    before = keyring.name_of(keyring.current()).hex()
    with resealing.alone():
        if not again and any(key.use is KeyUse.OPENS for key in keyring.held()):
            return None
        following = keyring.prepare()
        # In the journal before anything is sealed by it; a rotation that dies here is written twice.
        _write_key("staff.key_rotated", following.name, facts={"before": before}, by=by, reason=reason)
        return keyring.switch()


def reseal(places: Sequence[SealedPlace], *, keep: bool = False, told: resealing.Told, by: Author) -> Resealed:
    """Seal anew all that older keys sealed, then remove those that provably nothing needs, unless they are to be kept.

    It may be killed at any moment and run again.
    """
    check_may_rotate(by)
    with resealing.alone():
        done = resealing.reseal(places, told=told)
        facts = {"moved": {each.what: each.moved for each in done.places if each.moved}}
        facts |= {"left": {each.what: each.left for each in done.places if each.left}}
        if facts["moved"]:
            _write_key("staff.secrets_resealed", keyring.held()[0].name, facts=facts, by=by)
        for name in () if keep else done.free:
            _remove(name, facts={"lost": {}}, by=by)
    return replace(done, removed=() if keep else done.free)


def give_up_key(name: str, *, places: Sequence[SealedPlace], reason: str, by: Author) -> dict[str, int]:
    """Remove a key that only opens though values need it, and return how many nobody can open any more."""
    check_may_rotate(by)
    if not any(key.name == name and key.use is KeyUse.OPENS for key in keyring.held()):
        raise KeyNeeded(
            _("No key that only opens is called {name}.").format(name=name),
            mend=_("`tocsin keys list` shows those there are; the one that seals is rotated first."),
        )
    with resealing.alone():
        counted = {place.what: place.counts().get(bytes.fromhex(name), 0) for place in places}
        lost = {what: count for what, count in counted.items() if count}
        _remove(name, facts={"lost": lost}, by=by, reason=reason)
    return lost


def check_may_rotate(by: Author) -> None:
    """Raise SignatureNeeded unless the author may change the keys that seal."""
    permissions.check(Act.ROTATE_KEYS if queries.is_begun() else Act.BEGIN_CONNECTING, by=by)


def _remove(name: str, *, facts: dict[str, Any], by: Author, reason: str = "") -> None:
    """Remove a key, in the journal first: there may never be one that is gone and nobody says why."""
    _write_key("staff.key_removed", name, facts=facts, by=by, reason=reason)
    failpoints.reach("before_key_removed")
    keyring.remove(name)


def _write_key(verb: str, name: str, *, facts: dict[str, Any], by: Author, reason: str = "") -> None:
    about = f"key:{name}"
    with transaction.atomic():
        journal_commands.write(
            verb=verb, subject=about, by=by, facts=facts, personal={"reason": (reason, about)} if reason else {}
        )


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
