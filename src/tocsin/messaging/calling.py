"""Calls that manage an account at its provider, counted together by all processes: they share one hourly limit.

A generic cell rate algorithm (ITU-T I.371): each call takes the next moment, and some may be taken at once.
"""

from django.db import connection

CALLS_PER_HOUR = 5_000  # WhatsApp: of an account with a registered number, per application
CALLS_AT_ONCE = 200
RESERVE_SHARE = 0.9  # the provider counts others' calls, too

_TAKE = """
INSERT INTO tocsin_linepace AS line (scope, per_second, room, free_at)
VALUES (%(scope)s, %(rate)s, 0, clock_timestamp() + make_interval(secs => 1 / %(rate)s - %(borrowed)s))
ON CONFLICT (scope) DO UPDATE
   SET free_at = greatest(line.free_at, clock_timestamp() - make_interval(secs => %(borrowed)s))
                 + make_interval(secs => 1 / %(rate)s)
RETURNING extract(epoch FROM free_at - clock_timestamp())::float - 1 / %(rate)s
"""


def take_call(account: str) -> float:
    """Count one call of an account and return how many seconds to wait before it is made."""
    rate = CALLS_PER_HOUR * RESERVE_SHARE / 3_600
    given = {"scope": f"calls:{account}", "rate": rate, "borrowed": CALLS_AT_ONCE / rate}
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, given)
        wait: float = cursor.fetchone()[0]
    return max(0.0, wait)
