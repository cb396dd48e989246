"""How tests ask a connector, and read what it answers."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from tocsin.containment.ports import Answer, Holding, Order, Outcome, ReadBack
from tocsin.containment.values import Measure, MeasureKind
from tocsin.kernel import clock

RESET, REVOKE, REAUTHENTICATE, SUSPEND, ROTATE = (
    MeasureKind.RESET_PASSWORD,
    MeasureKind.REVOKE_SESSIONS,
    MeasureKind.REAUTHENTICATE,
    MeasureKind.SUSPEND,
    MeasureKind.ROTATE_KEY,
)
SINCE_AT = datetime.now(UTC) - timedelta(minutes=5)  # what people of a stand-in did before is a day old


def order(account: str, kind: MeasureKind = RESET, **more: str) -> Order:
    return Order(account, Measure(kind, **more), SINCE_AT, key=f"2014:1:{account}:{kind}")


def answers(outcomes: Iterable[Outcome]) -> dict[str, Answer]:
    """Return the last answer for each account."""
    return {outcome.order.account: outcome.answer for outcome in outcomes}


def holdings(shown: Iterable[ReadBack]) -> dict[str, Holding]:
    return {each.order.account: each.holding for each in shown}


def later(seconds: float):
    """Set our clock forward."""
    return clock.fixed(datetime.now(UTC) + timedelta(seconds=seconds))
