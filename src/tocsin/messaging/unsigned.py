"""How many people staff may write to without a signature: counted over a day, so that pieces count as the whole.

A name that is only said proves nothing, so all unsigned writing counts together, whatever name was given. Whoever wrote
to us within 24 hours is answered, not approached: they are not counted.
"""

from collections.abc import Sequence
from datetime import timedelta

from django.db import connection

from tocsin.journal.values import MACHINE, Assurance, Author
from tocsin.kernel import clock
from tocsin.kernel.language import gettext as _
from tocsin.messaging import columns, inbound
from tocsin.messaging.values import Draft
from tocsin.staff import permissions
from tocsin.staff.errors import SignatureNeeded
from tocsin.staff.permissions import Act

PEOPLE_WITHOUT_SIGNATURE_MAX = 100
DAY = timedelta(hours=24)
_LOCK = 0x756E7367  # "unsg": two who write at once count each other
_LATELY = "SELECT person FROM tocsin_unsignedwriting WHERE at > %(since)s"
_KEEP = """
INSERT INTO tocsin_unsignedwriting (person, at) SELECT person, %(now)s FROM unnest(%(people)s::text[]) AS told(person)
ON CONFLICT (person) DO UPDATE SET at = excluded.at
"""


def count(drafts: Sequence[Draft], *, by: Author) -> None:
    """Count the people of these drafts in the caller's transaction, or raise SignatureNeeded when they are too many.

    Tocsin itself sends only what people approved, and who signs may write to many: neither is counted.
    """
    if by == MACHINE:
        return
    if by.assurance is Assurance.SIGNED:
        permissions.check(Act.SEND_MANY, by=by)
        return
    permissions.check(Act.SEND_MESSAGE, by=by)
    people = _approached(drafts)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    lately = _lately()
    if len(lately | people) > PEOPLE_WITHOUT_SIGNATURE_MAX:
        raise SignatureNeeded(
            _("This makes {n} people within 24 hours, and to more than {most} it needs a signature.").format(
                n=len(lately | people), most=PEOPLE_WITHOUT_SIGNATURE_MAX
            ),
            mend=_("Add --as NAME with --key FILE, or with --agent, of somebody who is enrolled."),
        )
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, {"now": clock.now(), "people": columns.texts(sorted(people))})


def people_without_signature() -> int:
    """Return to how many more people staff may write now without a signature."""
    return max(0, PEOPLE_WITHOUT_SIGNATURE_MAX - len(_lately()))


def _lately() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(_LATELY, {"since": clock.now() - DAY})
        return {person for (person,) in cursor.fetchall()}


def _approached(drafts: Sequence[Draft]) -> set[str]:
    """Return the people who did not write first; somebody known counts once, whatever the address."""
    channels = {draft.channel for draft in drafts}
    open_to = {
        name: inbound.addresses_in_window(name, {draft.address for draft in drafts if draft.channel == name})
        for name in channels
    }
    return {
        f"person:{draft.person_id}" if draft.person_id else f"{draft.address_kind}:{draft.address}"
        for draft in drafts if draft.address not in open_to[draft.channel]
    }  # fmt: skip
