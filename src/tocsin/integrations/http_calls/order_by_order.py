"""The port of a connected system over one that takes one account a call.

What a vendor adds is three coroutines: take a measure, look what holds, lift it. Each looks before it changes anything,
so that an order handed over twice changes nothing twice.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any, TypeVar

from tocsin.containment.errors import SystemUnreachable
from tocsin.containment.ports import (
    Abilities,
    Answer,
    Foreseen,
    Holding,
    Limits,
    Order,
    Outcome,
    ReadBack,
    Remark,
    Standing,
)
from tocsin.containment.values import DoneFact, MeasureKind
from tocsin.integrations.http_calls.background import awaited, streamed
from tocsin.integrations.http_calls.calls import (
    AGAIN_SECONDS,
    Authorise,
    Later,
    Line,
    NoAnswer,
    NotReached,
    Reply,
    Wire,
    opened,
)
from tocsin.kernel import clock, redaction
from tocsin.kernel.language import gettext as _

ABSENT_SHOWN = 20
BATCH_SECONDS = 30.0  # a batch handed over should be through by then, so that its lease does not run out
REASON_CHARACTERS_MAX = 200
T = TypeVar("T")
_Act = Callable[[Line, Order], Coroutine[Any, Any, T]]


SESSION_KINDS = frozenset({MeasureKind.REVOKE_SESSIONS, MeasureKind.REAUTHENTICATE})
PERSON_KINDS = frozenset({MeasureKind.RESET_PASSWORD, MeasureKind.SUSPEND}) | SESSION_KINDS  # of an identity system


class NotAllowed(Exception):
    """The system does not let us see this account: a refusal of one account, not of all."""


class OrderByOrder(ABC):
    """A connected system asked account by account, ``wire.in_flight`` accounts at once."""

    at_once = 200
    workers: int | None = None  # accounts under way at once; as many as connections where a system does not say
    calls_per_order = 1  # that are counted as writing; reading back is counted apart

    def __init__(self, name: str, *, wire: Wire, authorise: Authorise | None) -> None:
        self._name, self._wire, self._authorise = name, wire, authorise

    @property
    def name(self) -> str:
        """Return the name staff gave this system."""
        return self._name

    @abstractmethod
    def abilities(self) -> Abilities:
        """Return what it can and cannot do, without asking it."""

    @abstractmethod
    async def take(self, line: Line, order: Order) -> Outcome:
        """Take one measure on one account unless it is in force or done."""

    @abstractmethod
    async def look(self, line: Line, order: Order) -> ReadBack:
        """Read back what holds of one order."""

    @abstractmethod
    async def lift(self, line: Line, order: Order) -> Outcome:
        """Lift one measure."""

    @abstractmethod
    async def facts_since(self, line: Line, cursor: str) -> tuple[Sequence[DoneFact], str]:
        """Return what people did since ``cursor``, and the next cursor."""

    def limits(self) -> Limits:
        """Return what it allows, as last read from it."""
        pace = self._wire.paces["write"]
        soon = self.at_once if pace.rate is None else int(pace.rate * BATCH_SECONDS / self.calls_per_order)
        at_once = max(1, min(self.at_once, soon))
        return Limits(pace.per_second, at_once=at_once, calls_per_order=self.calls_per_order, source=pace.source)

    def plan(self, orders: Sequence[Order]) -> Foreseen:
        """Return what applying would do; reads every account, changes none."""
        return foreseen(orders, list(self.verify(orders)))

    def apply(self, orders: Sequence[Order]) -> Iterator[Outcome]:
        """Take the measures and yield one outcome an order, each as soon as it is known."""
        return self._streamed(orders, self._asked(self.take, within=self.abilities().takes), unsent=_later)

    def verify(self, orders: Sequence[Order]) -> Iterator[ReadBack]:
        """Read back and yield what is in force, one an order."""
        return self._streamed(orders, self._read_back, unsent=_unknown)

    def undo(self, orders: Sequence[Order]) -> Iterator[Outcome]:
        """Lift the measures; what cannot be lifted is refused with the reason."""
        return self._streamed(orders, self._asked(self.lift, within=self.abilities().undoes), unsent=_later)

    def done_since(self, cursor: str) -> tuple[Sequence[DoneFact], str]:
        """Return what people did since ``cursor`` (empty: from the beginning) and the next cursor."""

        async def ask() -> tuple[Sequence[DoneFact], str]:
            async with self.opened() as line:
                return await self.facts_since(line, cursor)

        try:
            return awaited(ask)
        except (NotReached, NoAnswer, NotAllowed, Later) as error:
            raise unreachable(self._name, error) from error

    async def examine(self, line: Line) -> Sequence[Remark]:
        """Look whether rights suffice, changing nothing."""
        return ()

    def check(self) -> Sequence[Remark]:
        """Return what was found about credentials and rights; SystemUnreachable when it does not answer."""

        async def ask() -> Sequence[Remark]:
            async with self.opened() as line:
                return await self.examine(line)

        try:
            return awaited(ask)
        except (NotReached, NoAnswer, NotAllowed, Later) as error:
            raise unreachable(self._name, error) from error

    def opened(self) -> AbstractAsyncContextManager[Line]:
        """Open the connections of one batch."""
        return opened(self._wire, authorise=self._authorise)

    def _streamed(
        self, orders: Sequence[Order], act: _Act[T], *, unsent: Callable[[Order, Exception], T]
    ) -> Iterator[T]:
        """Run ``act`` over the orders: one account's in turn, several accounts at once."""
        waiting: OrderedDict[str, list[Order]] = OrderedDict()
        for order in orders:
            waiting.setdefault(order.account, []).append(order)
        queue = deque(waiting.values())

        async def work(emit: Callable[[T], None]) -> None:
            cut: list[tuple[Order, NotReached]] = []

            async def worker(line: Line) -> None:
                while queue:
                    for order in queue.popleft():
                        try:
                            if cut:
                                raise cut[0][1]
                            emit(await act(line, order))
                        except NotReached as error:
                            cut.append((order, error))

            async with self.opened() as line:
                await asyncio.gather(
                    *(worker(line) for _each in range(min(self.workers or self._wire.in_flight, len(queue))))
                )
                if cut and len(cut) == len(orders):
                    raise unreachable(self._name, cut[0][1])
                for order, error in cut:
                    emit(unsent(order, error))

        return streamed(work)

    def _asked(self, act: _Act[Outcome], *, within: frozenset[MeasureKind]) -> _Act[Outcome]:
        async def asked(line: Line, order: Order) -> Outcome:
            if order.measure.kind not in within:
                return refused(order, _("this system cannot do that"))
            try:
                return await act(line, order)
            except Later as later:
                return Outcome(order, Answer.LATER, reason=str(later), retry_after_seconds=later.seconds)
            except NoAnswer as lost:
                return Outcome(order, Answer.UNKNOWN, reason=str(lost))
            except NotAllowed as error:
                return refused(order, str(error))

        return asked

    async def _read_back(self, line: Line, order: Order) -> ReadBack:
        if order.measure.kind not in self.abilities().reads_back:
            return ReadBack(order, Holding.UNKNOWN, reason=_("this system does not show it"))
        try:
            return await self.look(line, order)
        except (Later, NoAnswer, NotAllowed) as error:
            return ReadBack(order, Holding.UNKNOWN, reason=str(error))


class Settling:
    """Remembers for a while what this process has just done, where a system shows it only after a delay.

    A crash forgets it; then the worst is one more read.
    """

    def __init__(self, *, seconds: float) -> None:
        self._lasts = timedelta(seconds=seconds)
        self._done_at: OrderedDict[str, datetime] = OrderedDict()

    def note(self, order: Order) -> None:
        """Remember that the order was taken now."""
        self._done_at[order.key] = clock.now()
        while len(self._done_at) > 100_000:
            self._done_at.popitem(last=False)

    def forget(self, order: Order) -> None:
        """Forget it: the measure was lifted."""
        self._done_at.pop(order.key, None)

    def is_fresh(self, order: Order) -> bool:
        """Say whether the order was taken so recently that the system need not show it yet."""
        done_at = self._done_at.get(order.key)
        return done_at is not None and clock.now() < done_at + self._lasts


def unreachable(name: str, error: Exception) -> SystemUnreachable:
    """Return the error of a system that does not answer at all."""
    return SystemUnreachable(
        _("It cannot be asked: {reason}.").format(reason=error),
        where=_("system {name}").format(name=name),
        mend=_("Nothing is lost; it is tried again."),
    )


def foreseen(orders: Sequence[Order], shown: Sequence[ReadBack]) -> Foreseen:
    """Return the dry run of orders from what holds of them now."""
    missing = [each.order.account for each in shown if each.holding is Holding.ABSENT]
    held = sum(each.holding in {Holding.IN_FORCE, Holding.DONE} for each in shown)
    kinds = [order.measure.kind for order in orders]
    return Foreseen(
        known=len(shown) - len(missing),
        absent=tuple(missing[:ABSENT_SHOWN]),
        absent_count=len(missing),
        held_already=held,
        changes=len(shown) - len(missing) - held,
        by_measure={kind: kinds.count(kind) for kind in dict.fromkeys(kinds)},
    )


def remark(text: str, *, otherwise: str, is_right: bool, mend: str, else_warning: bool = False) -> Remark:
    """Return one thing that was checked: ``text`` where it is right, else what is wrong and what mends it."""
    if is_right:
        return Remark(Standing.OK, text)
    return Remark(Standing.WARNING if else_warning else Standing.FAULT, otherwise, mend=mend)


def refused(order: Order, reason: str) -> Outcome:
    """Return a refusal."""
    return Outcome(order, Answer.REFUSED, reason=reason)


def refused_by(order: Order, reply: Reply, words: object) -> Outcome:
    """Return the refusal of a system in its own words, without the account and without what looks like a secret."""
    return refused(order, in_its_words(reply, words, without=order.account))


def is_nameable(account: str) -> bool:
    """Say whether an account can stand in an address: an empty name or dots alone would lead to something else."""
    return bool(account.strip(". "))


def shown(order: Order, reply: Reply, words: object) -> dict[str, Any] | None:
    """Return the account that was asked for, None when there is none; NotAllowed when we may not see it."""
    if reply.status == 404:
        return None
    if not reply.is_success:
        reason = in_its_words(reply, words, without=order.account)
        raise NotAllowed(_("the account cannot be read: {reason}").format(reason=reason))
    return reply.told()


def in_its_words(reply: Reply, words: object, *, without: str = "") -> str:
    """Return ``HTTP 403, E0000006`` and the like: short, printable, without ``without`` and without secrets."""
    text = printable_reason(words, without=without)
    return f"HTTP {reply.status}" + (f", {text}" if text else "")


def printable_reason(words: object, *, without: str = "") -> str:
    """Return a system's words short, printable, without the account and without what looks like a secret."""
    text = str(words or "")
    if without:
        text = text.replace(without, "...")
    return redaction.printable(redaction.masked(text))[:REASON_CHARACTERS_MAX]


def taken(order: Order) -> Outcome:
    """Return that the system took it, which says nothing about whether it holds."""
    return Outcome(order, Answer.TAKEN)


def held_already(order: Order, reason: str = "") -> Outcome:
    """Return that it was in force, or done, before."""
    return Outcome(order, Answer.HELD_ALREADY, reason=reason)


def absent(order: Order) -> Outcome:
    """Return that the system does not know the account."""
    return Outcome(order, Answer.ABSENT)


def _later(order: Order, error: Exception) -> Outcome:
    return Outcome(order, Answer.LATER, reason=str(error), retry_after_seconds=AGAIN_SECONDS)


def _unknown(order: Order, error: Exception) -> ReadBack:
    return ReadBack(order, Holding.UNKNOWN, reason=str(error))
