"""A table of accounts in PostgreSQL as a connected system: a whole batch changes in one transaction, or none of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

import psycopg
from psycopg import errors

from tocsin.containment.errors import SystemNotUnderstood, SystemUnreachable
from tocsin.containment.ports import (
    Abilities,
    Answer,
    Connector,
    Foreseen,
    Holding,
    Limits,
    Order,
    Outcome,
    ReadBack,
    Remark,
)
from tocsin.containment.values import DoneBy, DoneFact, DoneKind, MeasureKind
from tocsin.integrations.sql_accounts import rights, settings as reading
from tocsin.integrations.sql_accounts.settings import SECRETS, SETTINGS, Effect, Settings
from tocsin.integrations.sql_accounts.statements import Statements
from tocsin.kernel.language import gettext as _

__all__ = ["SECRETS", "SETTINGS", "connect"]

OVERLAP = timedelta(minutes=5)  # a transaction may commit later than the time it wrote
ABSENT_SHOWN_MAX = 20
PASSING = (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure, errors.QueryCanceled)
# The server is there and says no to what we ask, whoever it is about.
WRONG = (psycopg.ProgrammingError, psycopg.DataError, psycopg.IntegrityError, psycopg.NotSupportedError)
DONE_OF = {
    MeasureKind.RESET_PASSWORD: DoneKind.PASSWORD_CHANGED,
    MeasureKind.REAUTHENTICATE: DoneKind.SIGNED_IN,
    MeasureKind.ROTATE_KEY: DoneKind.KEY_ROTATED,
}


def connect(name: str, *, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> Connector:
    """Return the connector of a table of accounts; SystemNotUnderstood names the wrong setting. Nothing is opened."""
    return SqlConnector(name, settings=reading.read(name, settings=settings, secrets=secrets))


@dataclass(frozen=True, slots=True)
class _Standing:
    """What the database shows of one order."""

    entries: int
    is_set: bool
    gone: bool
    done_at: datetime | None

    @property
    def holding(self) -> Holding:
        if self.entries != 1:
            return Holding.UNKNOWN
        if self.is_set and self.gone:
            return Holding.IN_FORCE
        return Holding.DONE if self.done_at and self.gone else Holding.NOT_IN_FORCE


class SqlConnector:
    """One table of accounts; a connection is opened for each batch."""

    def __init__(self, name: str, *, settings: Settings) -> None:
        self._name = name
        self._settings = settings
        self._per_second: float | None = None

    @property
    def name(self) -> str:
        """Return the name staff gave this system."""
        return self._name

    def abilities(self) -> Abilities:
        """Return the measures the settings describe, and what of them is gone for good."""
        effects = self._settings.effects
        warnings = [
            _("{measure}: deleted sessions cannot be brought back.").format(measure=kind)
            for kind, effect in effects.items()
            if effect.deleted
        ]
        return Abilities(
            takes=frozenset(effects),
            undoes=frozenset(kind for kind, effect in effects.items() if _can_undo(effect)),
            reads_back=frozenset(effects),
            warnings=(*warnings, _("The product must ask its table at every request, or at least at every sign-in.")),
        )

    def limits(self) -> Limits:
        """Return the batch of the settings; the pace is measured."""
        source = _("measured") if self._per_second else _("as fast as the database answers")
        return Limits(per_second=self._per_second, at_once=self._settings.batch, source=source)

    def plan(self, orders: Sequence[Order]) -> Foreseen:
        """Look every account up and count what applying would change; rolled back."""
        known, held, changes = 0, 0, 0
        absent: list[str] = []
        by_measure: dict[MeasureKind, int] = {}
        for order, shown in self._shown(orders):
            if shown is None:
                absent.append(order.account)
                continue
            known += 1
            if shown.holding is Holding.NOT_IN_FORCE:
                changes += 1
                by_measure[order.measure.kind] = by_measure.get(order.measure.kind, 0) + 1
            else:
                held += 1
        return Foreseen(
            known=known, absent=tuple(sorted(absent)[:ABSENT_SHOWN_MAX]), absent_count=len(absent), held_already=held,
            changes=changes, notes=self.abilities().warnings, by_measure=by_measure,
        )  # fmt: skip

    def apply(self, orders: Sequence[Order]) -> Iterable[Outcome]:
        """Change every account that is not as ordered, in one transaction."""
        return self._change(orders, lift=False)

    def undo(self, orders: Sequence[Order]) -> Iterable[Outcome]:
        """Lift what the settings say how to lift, where it is in force."""
        return self._change(orders, lift=True)

    def verify(self, orders: Sequence[Order]) -> Iterable[ReadBack]:
        """Read what the database shows now, in a transaction of its own."""
        for order, shown in self._shown(orders):
            holding = shown.holding if shown else Holding.ABSENT
            yield ReadBack(order, holding, done_at=shown.done_at if shown and holding is Holding.DONE else None)

    def done_since(self, cursor: str) -> tuple[Sequence[DoneFact], str]:
        """Return who did what is asked since; the cursor is the latest time seen, as ISO 8601."""
        since = datetime.fromisoformat(cursor) if cursor else None
        facts: list[DoneFact] = []
        with self._session() as session:
            statements = self._statements(session)
            for kind, effect in self._settings.effects.items():
                question = statements.done_since(effect) if kind in DONE_OF else None
                if question is not None:
                    rows = session.execute(question, {"since": since - OVERLAP if since else None}).fetchall()
                    facts += [
                        DoneFact(account, DONE_OF[kind], done_at, DoneBy.CONNECTOR, self._name)
                        for account, done_at in rows
                    ]  # fmt: skip
        latest = max((fact.done_at for fact in facts), default=since)
        if since and latest and latest < since:
            latest = since
        return facts, latest.isoformat() if latest else ""

    def check(self) -> Sequence[Remark]:
        """Look whether the tables and columns are there, and whether the role may do what the measures need."""
        with self._session() as session:
            return rights.remarks(session, settings=self._settings)

    def _shown(self, orders: Sequence[Order]) -> Iterator[tuple[Order, _Standing | None]]:
        if not orders:
            return
        with self._session() as session:
            statements = self._statements(session)
            for kind, group in _by_kind(orders).items():
                effect = self._settings.effects.get(kind)
                found = _standing(session, statements, group, effect) if effect else {}
                session.rollback()
                for n, order in enumerate(group):
                    shown = found.get(n) if effect else _Standing(0, is_set=False, gone=False, done_at=None)
                    yield order, shown

    def _change(self, orders: Sequence[Order], *, lift: bool) -> Iterator[Outcome]:
        began, worked = monotonic(), False
        for kind, group in _by_kind(orders).items():
            effect = self._settings.effects.get(kind)
            if effect is None or (lift and not _can_undo(effect)):
                reason = _("it cannot be undone here") if lift else _("the settings do not say how")
                yield from (Outcome(order, Answer.REFUSED, reason) for order in group)
                continue
            worked = True
            yield from self._change_group(group, effect=effect, lift=lift)
        if worked and not lift:
            self._per_second = round(len(orders) / max(monotonic() - began, 0.001), 1)

    def _change_group(self, group: Sequence[Order], *, effect: Effect, lift: bool) -> list[Outcome]:
        """Change a group in one transaction; what is not known is only whether the commit arrived."""
        committing = False
        outcomes: list[Outcome] = []
        try:
            with self._session() as session:
                statements = self._statements(session)
                found = _standing(session, statements, group, effect)
                outcomes = [_decided(order, found.get(n), lift=lift) for n, order in enumerate(group)]
                settled = [n for n, outcome in enumerate(outcomes) if outcome.answer is not Answer.TAKEN]
                if len(settled) < len(group):
                    session.execute("DELETE FROM staged WHERE n = ANY(%s)", [settled])
                    for statement in statements.undo(effect) if lift else statements.apply(effect):
                        session.execute(statement)
                committing = True
                session.commit()
        except PASSING as error:
            return [Outcome(order, Answer.LATER, type(error).__name__) for order in group]
        except SystemUnreachable:
            if not committing:
                raise
            return [Outcome(order, Answer.UNKNOWN) for order in group]
        return outcomes

    @contextmanager
    def _session(self) -> Iterator[psycopg.Connection[Any]]:
        """Lend a connection; what goes wrong is said without values of the database or ours."""
        try:
            with psycopg.connect(**self._settings.connection) as session:  # type: ignore[arg-type]
                yield session
        except PASSING:
            raise
        except WRONG as error:
            raise SystemNotUnderstood(
                _("The database says no: {error}.").format(error=type(error).__name__),
                where=self._name,
                mend=_("`tocsin connector check {name}` says which table, column or right is missing.").format(
                    name=self._name
                ),
            ) from error
        except psycopg.Error as error:
            raise SystemUnreachable(
                _("The database {host} does not answer ({error}).").format(
                    host=self._settings.connection["host"], error=type(error).__name__
                ),
                where=self._name,
                mend=_("Check that it runs, its address, and the role's name and password."),
            ) from error

    def _statements(self, session: psycopg.Connection[Any]) -> Statements:
        kind = rights.column_type(session, table=self._settings.accounts, column=self._settings.account)
        if kind is None:
            raise SystemNotUnderstood(
                _("The table or the column of the accounts is not there."),
                where=f"{self._name}: accounts",
                mend=_("`tocsin connector check {name}` says what is missing.").format(name=self._name),
            )
        return Statements(self._settings, kind=kind)


def _standing(
    session: psycopg.Connection[Any], statements: Statements, group: Sequence[Order], effect: Effect
) -> dict[int, _Standing]:
    """Stage a group of orders and return what the database shows of those whose account it knows."""
    session.execute(statements.stage())
    with session.cursor() as cursor, cursor.copy("COPY staged FROM STDIN") as staging:
        for n, order in enumerate(group):
            if statements.takes(order.account):
                staging.write_row((n, order.account, order.since_at))
    session.execute("ANALYZE staged")
    rows = session.execute(statements.standing(effect)).fetchall()
    return {n: _Standing(entries, is_set, gone, done_at) for n, entries, is_set, gone, done_at in rows}


def _decided(order: Order, shown: _Standing | None, *, lift: bool) -> Outcome:
    """Return the answer an order will have; TAKEN is for those that are still to be changed."""
    if shown is None:
        return Outcome(order, Answer.ABSENT)
    if shown.entries > 1:
        return Outcome(order, Answer.REFUSED, _("{n} rows have this account").format(n=shown.entries))
    wanted = shown.is_set if lift else shown.holding is Holding.NOT_IN_FORCE
    return Outcome(order, Answer.TAKEN if wanted else Answer.HELD_ALREADY)


def _can_undo(effect: Effect) -> bool:
    columns = {*effect.values, *effect.times}
    return bool(columns or effect.flag) and columns <= set(effect.undo)


def _by_kind(orders: Sequence[Order]) -> dict[MeasureKind, list[Order]]:
    groups: dict[MeasureKind, list[Order]] = {}
    for order in orders:
        groups.setdefault(order.measure.kind, []).append(order)
    return groups
