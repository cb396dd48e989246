"""A portfolio over several days: its limit of people in any 24 hours is used, and never passed by one."""

import random
from datetime import UTC, datetime, timedelta

from tocsin.kernel import clock
from tocsin.messaging.values import Accepted

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LIMIT, PEOPLE = 40, 130


def test_no_24_hours_ever_hold_one_person_too_many(outbox):
    chance = random.Random(4)
    went: list[tuple[datetime, str]] = []
    now = NOON
    with clock.fixed(NOON):
        outbox.queue(count=PEOPLE)
    while now < NOON + timedelta(hours=76):
        with clock.fixed(now):
            if chance.random() < 0.05:  # some of whom we know get another one
                outbox.queue(outbox.draft(address=f"+3460{chance.randrange(PEOPLE):07}"))
            for message in outbox.claim(chance.randint(1, 30), people_per_day=LIMIT).messages:
                outbox.settle(message, accepted=Accepted(f"wamid.{message.id}"))
                went.append((now, message.address))
        now += timedelta(minutes=chance.randint(1, 40))
    day = timedelta(hours=24)
    most = max(len({who for at, who in went if end - day < at <= end}) for end, _who in went)
    assert most == LIMIT
    assert len({who for _at, who in went}) >= 3 * LIMIT
