"""Numbers that go from hand to hand while messages wait: nothing ever goes to a stranger."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from hypothesis import HealthCheck, Phase, example, given, settings, strategies as st

from tocsin.customers.values import AddressKind
from tocsin.kernel import clock
from tocsin.messaging import naming
from tocsin.messaging.following import Followed
from tocsin.messaging.naming import Line
from tocsin.messaging.values import AddressChanged

BEGAN_AT = datetime(2026, 3, 1, tzinfo=UTC)
LINE = Line("main", "account", "portfolio")
STEP = 10  # minutes between two moves
PEOPLE, NUMBERS = 3, 4
NOW = ((1, 0),)
LATE = st.sampled_from([0, 0, 1, 4, 15, 35])  # minutes until something is told


def at(minutes: float) -> datetime:
    return BEGAN_AT + timedelta(minutes=minutes)


class Had(NamedTuple):
    """That a person had a number from a moment on; providers give them another scoped id each time."""

    person: int
    number: int
    since: int

    @property
    def scoped(self) -> str:
        return f"ES.{self.person}.{self.since}"


class Move(NamedTuple):
    """That somebody takes a number and is seen under it; the change is told too, or not at all."""

    person: int
    number: int
    told_after: int | None
    seen: tuple[tuple[int, int], ...]  # minutes after the move, and how late that is told


class Queued(NamedTuple):
    number: int
    person: int
    at: datetime


moves = st.lists(
    st.builds(
        Move,
        st.integers(0, PEOPLE - 1),
        st.integers(0, NUMBERS - 1),
        st.none() | LATE,
        st.lists(st.tuples(st.integers(1, STEP - 1), LATE), min_size=1, max_size=2, unique_by=lambda each: each[0]).map(
            tuple
        ),
    ),
    min_size=2,
    max_size=7,
)


@dataclass
class World:
    """Who has which number; ``told`` is what the provider says, by when."""

    has: dict[int, Had] = field(default_factory=lambda: {each: Had(each, each, 0) for each in range(PEOPLE)})
    told: list[tuple[float, int, tuple[Had, Had | float]]] = field(default_factory=list)

    def live(self, told: list[Move]) -> None:
        for each in self.has.values():
            self.see(each, 1, late=0)
        for place, move in enumerate(told, 1):
            before, moment = self.has[move.person], place * STEP
            if move.number in {each.number for each in self.has.values()}:
                continue
            after = self.has[move.person] = Had(move.person, move.number, moment)
            if move.told_after is not None:
                self.say(moment + move.told_after, before, after)
            for minutes, late in move.seen:
                self.see(after, moment + minutes, late=late)

    def see(self, had: Had, minutes: float, *, late: float) -> None:
        self.say(minutes + late, had, minutes)

    def say(self, minutes: float, had: Had, what: Had | float) -> None:
        self.told.append((minutes, len(self.told), (had, what)))


class Books:
    """An address book that follows what is told of numbers, and takes new people from what they write."""

    def __init__(self) -> None:
        self.known: dict[int, tuple[float, int | None]] = {number: (0, number) for number in range(PEOPLE)}

    def take(self, had: Had, what: Had | float) -> None:
        if isinstance(what, Had):
            known_at, person = self.known.get(had.number, (0, None))
            if person == had.person or known_at < what.since:
                self.known[had.number] = (max(known_at, what.since), None)
            self._newer(what.number, what.since, what.person)
        else:
            self._newer(had.number, what, had.person)

    def _newer(self, number: int, moment: float, person: int) -> None:
        if number not in self.known or self.known[number][0] < moment:
            self.known[number] = (moment, person)


def take(had: Had, what: Had | float) -> None:
    """Take in what a provider tells: another number with another scoped id, or how somebody is called."""
    if isinstance(what, Had):
        pairs = [(AddressKind.PHONE, f"+{had.number}", f"+{what.number}"),
                 (AddressKind.WHATSAPP, had.scoped, what.scoped)]  # fmt: skip
        naming.change([(AddressChanged(kind, before, after, at(what.since)), LINE) for kind, before, after in pairs])
    else:
        naming.name([(LINE, {AddressKind.PHONE: f"+{had.number}", AddressKind.WHATSAPP: had.scoped}, at(what))])


def lived(world: World) -> Iterator[Queued]:
    """Take in all that is told, and queue something for everybody in the address book after each."""
    books = Books()
    for minutes, order, (had, what) in sorted(world.told):
        moment = at(minutes) + timedelta(seconds=order)
        with clock.fixed(moment):
            take(had, what)
        books.take(had, what)
        for number, (_since, person) in books.known.items():
            if person is not None:
                yield Queued(number, person, moment + timedelta(milliseconds=500))


@settings(
    max_examples=60,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(told=moves)
@example(told=[Move(0, 3, 0, NOW), Move(1, 0, 0, NOW), Move(1, 1, 0, NOW)])  # twice, each change told
@example(told=[Move(0, 3, 0, NOW), Move(1, 0, 0, NOW), Move(1, 1, None, NOW), Move(2, 0, None, NOW)])
@example(told=[Move(0, 3, 35, NOW), Move(1, 0, 0, NOW), Move(1, 1, 0, NOW)])  # the first told after the second
def test_what_is_queued_for_somebody_goes_to_them_or_nowhere(undone_rows: None, told: list[Move]) -> None:
    world = World()
    world.live(told)
    with transaction.atomic():
        queued = list(lived(world))
        numbers = {each.number for each in queued}
        known = Followed((LINE.portfolio, "phone", f"+{number}") for number in numbers)
        owners = {f"+{had.number}": person for person, had in world.has.items()}
        for each in queued:
            to = known.of_queued(LINE.portfolio, "phone", f"+{each.number}", queued_at=each.at)
            assert owners.get(to) in (None, each.person), each
            if all(move.told_after == 0 for move in told):
                assert owners.get(to) == each.person, each
        transaction.set_rollback(True)
