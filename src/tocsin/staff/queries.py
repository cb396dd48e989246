"""What can be asked about the operator's people, and who is acting now."""

import getpass
from pathlib import Path
from typing import Any

from tocsin.journal.values import Assurance, Author
from tocsin.kernel.language import gettext as _
from tocsin.kernel.loading import lazily
from tocsin.staff import agent, keyring, keys
from tocsin.staff.errors import NotEnrolled
from tocsin.staff.values import KeyKeeping, KeyUse, SealKey, StaffMember

models = lazily("tocsin.staff.models")


def members() -> list[StaffMember]:
    """Return everybody who is or was enrolled, oldest first."""
    return [member_of(row) for row in models.StaffMember.objects.order_by("id")]


def is_begun() -> bool:
    """Say whether somebody is enrolled, so that what matters can be signed."""
    begun: bool = models.StaffMember.objects.filter(revoked_at__isnull=True).exists()
    return begun


def member_of(row: Any) -> StaffMember:
    """Return a row as others see it."""
    return StaffMember(
        id=row.id, name=row.name, public_key=bytes(row.public_key).hex(), kept_in=KeyKeeping(row.kept_in),
        enrolled_at=row.enrolled_at, revoked_at=row.revoked_at,
    )  # fmt: skip


def asserted_author(name: str = "") -> Author:
    """Return an author whose name is only said; by default the name of the operating system's account."""
    return Author(name=name or getpass.getuser(), assurance=Assurance.ASSERTED)


def author_with_file(name: str, *, key_file: Path, passphrase: str) -> Author:
    """Return an enrolled author who signs with the key in a file."""
    row = _enrolled(name)
    key = keys.unseal(key_file, passphrase=passphrase)
    if keys.public_bytes(key) != bytes(row.public_key):
        raise NotEnrolled(
            _("This is not the key enrolled for {name}.").format(name=name), where=key_file,
            mend=_("Give the file that was enrolled, or enrol this key."),
        )  # fmt: skip
    return Author(
        name=name, assurance=Assurance.SIGNED, staff_id=row.id, public_key=bytes(row.public_key), sign=key.sign
    )


def author_with_agent(name: str) -> Author:
    """Return an enrolled author who signs through ssh-agent."""
    row = _enrolled(name)
    public_key = bytes(row.public_key)
    if public_key not in agent.held_keys():
        raise NotEnrolled(
            _("The ssh-agent does not hold the key enrolled for {name}.").format(name=name),
            mend=_("Add it with `ssh-add`."),
        )
    return Author(
        name=name, assurance=Assurance.SIGNED, staff_id=row.id, public_key=public_key,
        sign=lambda data: agent.sign(data, public_key=public_key),
    )  # fmt: skip


def _enrolled(name: str) -> Any:
    row = models.StaffMember.objects.filter(name=name, revoked_at__isnull=True).first()
    if row is None:
        raise NotEnrolled(
            _("{name} is not enrolled, or the key was revoked.").format(name=name),
            mend=_("`tocsin staff list` shows who is; `tocsin staff enrol` adds a person."),
        )
    return row


def seal_keys() -> tuple[SealKey, ...]:
    """Return the keys that seal or sealed: the one that seals now, the next one, then those that only open."""
    return keyring.held()


def unusable_seal_keys() -> tuple[Path, ...]:
    """Return the files among the keys that hold none: cut short, or something else."""
    return keyring.unusable()


def seal_key_lost() -> bool:
    """Say whether the key that seals is gone though there was one, or though this installation may not make one."""
    return keyring.is_lost()


def rotation_unfinished() -> bool:
    """Say whether there are keys that only open: a rotation has not ended."""
    return any(key.use is KeyUse.OPENS for key in keyring.held())
