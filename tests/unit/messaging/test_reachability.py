"""When an e-mail address counts as dead, and what brings it back."""

from datetime import UTC, datetime, timedelta

import pytest

from tocsin.messaging.reachability import End, is_dead

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def ended(*told: tuple[str, str, float]) -> list[End]:
    """Return ends, each by state, reason and how many days ago; the newest first."""
    return [End(state, reason, NOW - timedelta(days=days)) for state, reason, days in told]


HARD, SOFT, POLICY = ("bounced", "not_reachable"), ("bounced", "try_later"), ("failed", "refused_by_policy")


@pytest.mark.parametrize(
    ("told", "dead"),
    [
        ([], False),
        ([(*HARD, 1)], True),
        ([("failed", "not_reachable", 1)], True),  # refused at once
        ([(*HARD, 179)], True),
        ([(*HARD, 181)], False),  # people come back
        ([("delivered", "", 0.5), (*HARD, 1)], False),
        ([("read", "", 0.5), (*HARD, 1)], False),
        ([("sent", "", 4), (*HARD, 5)], False),  # nothing came back for three days
        ([("sent", "", 1), (*HARD, 5)], True),  # it may still come back
        ([(*HARD, 1), ("delivered", "", 2)], True),
        ([(*POLICY, 1), ("failed", "our_mistake", 2), ("failed", "too_many_tries", 3)], False),
        ([(*POLICY, 1), (*HARD, 2)], True),
        ([(*SOFT, n) for n in range(4)], False),
        ([(*SOFT, n) for n in range(5)], False),  # within days: it may be a holiday
        ([(*SOFT, 4 * n) for n in range(5)], True),
        ([(*SOFT, n) for n in range(20)], True),
        ([(*SOFT, 4 * n) for n in range(4)] + [("delivered", "", 20), (*SOFT, 30)], False),
        ([(*SOFT, 200 + 4 * n) for n in range(5)], False),
    ],
)
def test_an_address_is_dead_by_what_became_of_the_mails_to_it(told: list[tuple[str, str, float]], dead: bool):
    assert is_dead(ended(*told), now=NOW) is dead
