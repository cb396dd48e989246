"""Two senders that pace one line."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from django.db import connection, transaction

from tocsin.messaging import pacing


def test_two_processes_together_get_the_pace_of_one(rows):
    def ask(_number):
        try:
            return sum(taken(20) for _ in range(40))
        finally:
            connection.close()

    started = datetime.now(UTC)
    with ThreadPoolExecutor(2) as both:
        got = sum(both.map(ask, range(2)))
    seconds = (datetime.now(UTC) - started).total_seconds()
    assert got <= 1000 * (seconds + pacing.AHEAD_SECONDS) + 2


def taken(wanted):
    with transaction.atomic():
        return pacing.take_slots("line", wanted=wanted, per_second=1000).count
