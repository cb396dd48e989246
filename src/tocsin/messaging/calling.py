"""Calls that manage an account at its provider, and the record of what they changed there.

They are counted together by all processes, which share one hourly limit.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import connection, transaction

from tocsin.journal import commands as journal
from tocsin.journal.values import Author
from tocsin.kernel import clock
from tocsin.messaging.channels import check_may_connect
from tocsin.staff import permissions
from tocsin.staff.permissions import Act

CALLS_PER_HOUR = 5_000  # WhatsApp: of an account with a registered number, per application
CALLS_AT_ONCE = 200
RESERVE_SHARE = 0.9  # the provider counts others' calls, too

# A generic cell rate algorithm (ITU-T I.371): each call takes the next moment, and some may be taken at once.
_TAKE = """
INSERT INTO tocsin_linepace AS line (scope, per_second, room, free_at)
VALUES (%(scope)s, %(rate)s, 0, clock_timestamp() + make_interval(secs => 1 / %(rate)s - %(borrowed)s))
ON CONFLICT (scope) DO UPDATE
   SET free_at = greatest(line.free_at, clock_timestamp() - make_interval(secs => %(borrowed)s))
                 + make_interval(secs => 1 / %(rate)s)
RETURNING extract(epoch FROM free_at - clock_timestamp())::float - 1 / %(rate)s
"""


# Whoever moves the moment on has the turn; the others find it in the future.
_TURN = """
INSERT INTO tocsin_linepace AS line (scope, per_second, room, free_at) VALUES (%(scope)s, 0, 0, %(until)s)
ON CONFLICT (scope) DO UPDATE SET free_at = excluded.free_at WHERE line.free_at <= %(now)s
RETURNING 1
"""


def take_account_turn(account: str, *, every: timedelta) -> bool:
    """Say whether an account is to be asked about itself now; of all processes one is told so, once in ``every``."""
    now = clock.now()
    with connection.cursor() as cursor:
        cursor.execute(_TURN, {"scope": f"asked:{account}", "now": now, "until": now + every})
        return cursor.fetchone() is not None


def return_account_turn(account: str, *, after: timedelta) -> None:
    """Let an account that could not be asked be asked again sooner."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE tocsin_linepace SET free_at = least(free_at, %s) WHERE scope = %s",
            [clock.now() + after, f"asked:{account}"],
        )


def take_call(account: str) -> float:
    """Count one call of an account and return how many seconds to wait before it is made."""
    rate = CALLS_PER_HOUR * RESERVE_SHARE / 3_600
    given = {"scope": f"calls:{account}", "rate": rate, "borrowed": (CALLS_AT_ONCE - 1) / rate}
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, given)
        wait: float = cursor.fetchone()[0]
    return max(0.0, wait)


async def call_turn(account: str) -> None:
    """Wait until one more call of an account may be made; for an event loop, whose thread asks no database."""
    wait = await asyncio.to_thread(_taken, account)
    if wait:
        await asyncio.sleep(wait)


def _taken(account: str) -> float:
    try:
        return take_call(account)
    finally:
        connection.close()  # the thread's own


def check_may_change_account(by: Author, *, is_setup: bool = False) -> None:
    """Raise SignatureNeeded unless the author may change things at a provider; ``is_setup``: numbers and webhooks."""
    if is_setup:
        check_may_connect(by)
    else:
        permissions.check(Act.SEND_MESSAGE, by=by)


def record_account_change(channel: str, *, what: str, facts: Mapping[str, Any], by: Author) -> None:
    """Record what somebody changed at a channel's provider: ``what`` in a few words, facts without anybody's data."""
    about = f"messaging_channel:{channel}"
    with transaction.atomic():
        journal.write(verb="messaging.account_changed", subject=about, by=by, facts={"what": what, **facts})
