"""An address became another one: whoever had it is reached at the new one."""

from django.db import connection

from tocsin.customers.values import AddressKind

# Where a person has the new one already, the old one goes.
_MOVE = """
WITH gone AS (
    DELETE FROM tocsin_customeraddress d USING tocsin_customeraddress there
     WHERE d.kind = %(kind)s AND d.value = %(before)s AND there.person_id = d.person_id AND there.kind = d.kind
       AND there.value = %(after)s
    RETURNING d.id)
UPDATE tocsin_customeraddress SET value = %(after)s
 WHERE kind = %(kind)s AND value = %(before)s AND id NOT IN (SELECT id FROM gone)
"""


def change_address(kind: AddressKind, *, before: str, after: str) -> int:
    """Put the new address in the place of the old one, for everybody who has it; return how many people that were.

    In the caller's transaction, whose journal entry says why: a provider told of the change.
    """
    with connection.cursor() as cursor:
        cursor.execute(_MOVE, {"kind": kind.value, "before": before, "after": after})
        moved: int = cursor.rowcount
        return moved
