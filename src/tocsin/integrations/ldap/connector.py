"""A directory with a password policy (draft-behera-ldap-password-policy) as a connected system.

``reset_password`` sets ``pwdReset``: the next bind may do nothing but choose a new password, and the directory takes the
flag away itself. ``suspend`` locks the account for ever (``pwdAccountLockedTime``). Sessions cannot be ended here.
"""

import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import ldap3

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
from tocsin.integrations.ldap import directory as directories, rights, settings as reading
from tocsin.integrations.ldap.directory import FAILURES, Directory, Entry
from tocsin.integrations.ldap.settings import SECRETS, SETTINGS, Settings
from tocsin.kernel import clock
from tocsin.kernel.language import gettext as _

__all__ = ["SECRETS", "SETTINGS", "connect"]

AT_ONCE = 1000
CHUNK = 25
PER_SECOND = 400.0  # eight connections to OpenLDAP 2.5 on two busy processors; replaced by what is measured
BEGINNING = datetime(1990, 1, 1, tzinfo=UTC)  # before there were password policies
OVERLAP = timedelta(minutes=5)  # a change may reach the server we ask later than its time says
ABSENT_SHOWN_MAX = 20
_ATTRIBUTE = {
    MeasureKind.RESET_PASSWORD: ("pwdReset", "TRUE"),
    MeasureKind.SUSPEND: ("pwdAccountLockedTime", directories.LOCKED_FOR_EVER),
}


def connect(name: str, *, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> Connector:
    """Return the connector of a directory; SystemNotUnderstood names the setting that is wrong. Nothing is opened."""
    understood = reading.read(name, settings=settings, secrets=secrets)
    return LdapConnector(name, settings=understood, password=secrets["password"])


class LdapConnector:
    """One directory. Its connections stay open as long as it lives."""

    def __init__(self, name: str, *, settings: Settings, password: str) -> None:
        self._name = name
        self._settings = settings
        self._directory = Directory(name, settings=settings, password=password)
        self._per_second: float | None = None
        weakref.finalize(self, self._directory.close)

    @property
    def name(self) -> str:
        """Return the name staff gave this system."""
        return self._name

    def abilities(self) -> Abilities:
        """Return what a directory can do, and what the flag does not do."""
        taken = self._settings.measures
        return Abilities(
            takes=taken,
            undoes=taken,
            reads_back=taken,
            warnings=(
                _("A program that binds without the password policy control is told success: gate it or restart it."),
                _("Connections that were bound before go on working: restart what holds them, or gate it."),
                _("Sessions and tokens that other systems gave out are not ended by a directory."),
            ),
        )

    def limits(self) -> Limits:
        """Return the pace: measured at the last orders, else that of an ordinary server."""
        source = _("measured") if self._per_second else _("usual for OpenLDAP with eight connections")
        return Limits(per_second=self._per_second or PER_SECOND, at_once=AT_ONCE, source=source)

    def plan(self, orders: Sequence[Order]) -> Foreseen:
        """Look every account up and count what applying would change."""
        known, held, changes = 0, 0, 0
        absent: list[str] = []
        by_measure: dict[MeasureKind, int] = {}
        for order, entries in self._looked_up(orders):
            if not entries:
                absent.append(order.account)
                continue
            known += 1
            if _holding(order, entries) is Holding.NOT_IN_FORCE:
                changes += 1
                by_measure[order.measure.kind] = by_measure.get(order.measure.kind, 0) + 1
            else:
                held += 1
        return Foreseen(
            known=known, absent=tuple(sorted(absent)[:ABSENT_SHOWN_MAX]), absent_count=len(absent), held_already=held,
            changes=changes, notes=self.abilities().warnings, by_measure=by_measure,
        )  # fmt: skip

    def apply(self, orders: Sequence[Order]) -> Iterable[Outcome]:
        """Set the flags; an entry that has its flag, or whose password was changed since, is not touched."""
        return self._changed(orders, lift=False)

    def undo(self, orders: Sequence[Order]) -> Iterable[Outcome]:
        """Take the flags away again."""
        return self._changed(orders, lift=True)

    def verify(self, orders: Sequence[Order]) -> Iterable[ReadBack]:
        """Read the flags and the time of the last change."""
        for order, entries in self._looked_up(orders):
            holding = _holding(order, entries)
            done_at = entries[0].changed_at if holding is Holding.DONE else None
            yield ReadBack(order, holding, done_at=done_at)

    def done_since(self, cursor: str) -> tuple[Sequence[DoneFact], str]:
        """Return whose password was changed since; the cursor is the latest change seen, as ISO 8601."""
        since = datetime.fromisoformat(cursor).astimezone(UTC) if cursor else BEGINNING + OVERLAP
        facts: list[DoneFact] = []
        latest = since
        try:
            with self._directory.connection() as connection:
                for entry in self._directory.changed(
                    connection, since=since - OVERLAP, until=clock.now() + OVERLAP
                ):  # fmt: skip
                    facts += self._facts(entry)
                    if entry.changed_at and entry.changed_at > latest:
                        latest = entry.changed_at
        except FAILURES as error:
            raise self._directory.unreachable(error) from error
        return facts, latest.isoformat()

    def check(self) -> Sequence[Remark]:
        """Bind, and look at the policy, the accounts and the controls the server offers."""
        try:
            with self._directory.connection() as connection:
                return rights.remarks(connection, directory=self._directory)
        except FAILURES as error:
            raise self._directory.unreachable(error) from error

    def _facts(self, entry: Entry) -> Iterator[DoneFact]:
        for value in entry.values:
            account = self._settings.account_of(value)
            if account and entry.changed_at:
                yield DoneFact(
                    account=account, kind=DoneKind.PASSWORD_CHANGED, done_at=entry.changed_at, by=DoneBy.CONNECTOR,
                    source=self._name,
                )  # fmt: skip

    def _looked_up(self, orders: Sequence[Order]) -> Iterator[tuple[Order, list[Entry]]]:
        def look(part: Sequence[Order]) -> list[tuple[Order, list[Entry]]]:
            with self._directory.connection() as connection:
                found = self._directory.entries(connection, accounts=[order.account for order in part])
            return [(order, found[order.account]) for order in part]

        try:
            for part in self._directory.side_by_side(_chunks(orders, size=directories.NAMES_AT_ONCE), act=look):
                yield from part
        except FAILURES as error:
            raise self._directory.unreachable(error) from error

    def _changed(self, orders: Sequence[Order], *, lift: bool) -> Iterator[Outcome]:
        began = monotonic()
        try:
            for outcomes in self._directory.side_by_side(
                _chunks(orders, size=CHUNK), act=lambda part: self._change_part(part, lift=lift)
            ):
                yield from outcomes
        except FAILURES as error:
            raise self._directory.unreachable(error) from error
        self._per_second = round(len(orders) / max(monotonic() - began, 0.001), 1)

    def _change_part(self, orders: Sequence[Order], *, lift: bool) -> list[Outcome]:
        """Change some entries on one connection; when it breaks, what was on its way is unknown and the rest is left.

        An order without an outcome is unknown to whoever asked, so nothing is lost by stopping there.
        """
        outcomes: list[Outcome] = []
        with self._directory.connection() as connection:
            found = self._directory.entries(connection, accounts=[order.account for order in orders])
            for order in orders:
                outcome = self._decided(order, found[order.account], lift=lift)
                if outcome is None:
                    try:
                        outcome = _change(connection, order=order, entry=found[order.account][0], lift=lift)
                    except FAILURES:
                        return [*outcomes, Outcome(order, Answer.UNKNOWN)]
                outcomes.append(outcome)
        return outcomes

    def _decided(self, order: Order, entries: Sequence[Entry], *, lift: bool) -> Outcome | None:
        """Return the answer where nothing is to be written, or None."""
        if order.measure.kind not in self._settings.measures:
            return Outcome(order, Answer.REFUSED, _("a directory cannot take this measure"))
        if not entries:
            return Outcome(order, Answer.ABSENT)
        if len(entries) > 1:
            return Outcome(order, Answer.REFUSED, _("{n} entries have this account").format(n=len(entries)))
        in_force = _holding(order, entries) is Holding.IN_FORCE
        if lift:
            return None if in_force else Outcome(order, Answer.HELD_ALREADY)
        return None if _holding(order, entries) is Holding.NOT_IN_FORCE else Outcome(order, Answer.HELD_ALREADY)


def _holding(order: Order, entries: Sequence[Entry]) -> Holding:
    if len(entries) != 1:
        return Holding.UNKNOWN if entries else Holding.ABSENT
    entry = entries[0]
    if order.measure.kind is MeasureKind.SUSPEND:
        return Holding.IN_FORCE if entry.locked else Holding.NOT_IN_FORCE
    if entry.reset:
        return Holding.IN_FORCE
    # The time is kept to the second: a change within the second of the containment time may have been before it.
    changed = entry.changed_at is not None and entry.changed_at > order.since_at
    return Holding.DONE if changed else Holding.NOT_IN_FORCE


def _change(connection: Any, *, order: Order, entry: Entry, lift: bool) -> Outcome:
    attribute, value = _ATTRIBUTE[order.measure.kind]
    change = {attribute: [(ldap3.MODIFY_REPLACE, [] if lift else [value])]}
    done, result, _response, _request = connection.modify(entry.dn, change)
    if done:
        return Outcome(order, Answer.TAKEN)
    code, words = result["result"], str(result["description"])
    if code == directories.NO_SUCH_OBJECT:
        return Outcome(order, Answer.ABSENT)
    if code in directories.PASSING:
        return Outcome(order, Answer.LATER, words)
    return Outcome(order, Answer.REFUSED, words)


def _chunks(orders: Sequence[Order], *, size: int) -> list[Sequence[Order]]:
    return [orders[start : start + size] for start in range(0, len(orders), size)]
