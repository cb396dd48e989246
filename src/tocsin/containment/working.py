"""The worker: everything of containment that goes on by itself once people approved and started it, in small takings.

Several may run side by side, on several machines: each claims what it works on. Killed at any moment, the next one goes
on from the rows.
"""

import json
import os
import secrets
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from django.db import DataError

from tocsin.containment import (
    attempts,
    done,
    gate_changes,
    plans,
    running,
    settling,
    steps,
    systems,
)
from tocsin.containment.ports import Connector
from tocsin.containment.values import DoneFact, System, Worked
from tocsin.journal.values import MACHINE
from tocsin.kernel import clock
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext as _

ASK_SECONDS = 30.0  # between two questions to one system about what people did

# What reading an answer of another shape than the documented one raises; one system must not stop the others.
NOT_UNDERSTOOD = (TypeError, ValueError, LookupError, AttributeError, DataError)

Connect = Callable[[System, Mapping[str, str]], Connector]


def _untold(_worked: Worked) -> None:
    return


def _not_understood(error: Exception) -> TocsinError:
    # The kind only: the text may name an account.
    what = _("It answers what nobody understands ({kind}).").format(kind=type(error).__name__)
    return TocsinError(what, mend=_("`tocsin connector check NAME` says what it answers."))


class Worker:
    """Takes what is due, one batch of each kind at a time. Every method returns how much it moved.

    ``connect`` makes the connector of a system from its opened secrets; ``only`` names the systems to work on (none:
    all); ``told`` hears of every round on a system.
    """

    def __init__(
        self, connect: Connect, *, only: Collection[str] = (), told: Callable[[Worked], None] = _untold
    ) -> None:
        self._connect = connect
        self._only = frozenset(only)
        self._told = told
        self._name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._connectors: dict[str, tuple[str, Connector]] = {}
        self._asked_at: dict[str, datetime] = {}
        # From the beginning: a worker killed between reading back and settling left something uncounted.
        self._settle_since: datetime | None = datetime.min.replace(tzinfo=UTC)

    def begin_waves(self) -> int:
        """Begin the waves whose turn it is; a stop rule may hold the plan instead."""
        due = running.waves_due()
        for number in due:
            running.begin_next_wave(number, by=MACHINE)
        return len(due)

    def make_steps(self) -> int:
        """Make the steps of begun waves."""
        waiting = steps.waves_without_steps()
        for plan, wave in waiting:
            steps.make_steps(plan, wave=wave, by=MACHINE)
        return len(waiting)

    def publish(self) -> int:
        """Publish the gate's list or what changed since."""
        return gate_changes.publish_changes(by=MACHINE) if gate_changes.changes_due() else 0

    def work_systems(self) -> int:
        """Work one batch off on every connected system that is not held."""
        moved = 0
        for system in self._systems():
            connector = self._connector(system)
            if connector is None:
                continue
            began_at = clock.now()
            try:
                worked = attempts.work_off(connector, worker=self._name, record=self._record)
            except NOT_UNDERSTOOD as error:
                self._hold(system, _not_understood(error))
                continue
            if worked.claimed:
                self._settle_since = min(self._settle_since or began_at, began_at)
                self._told(worked)
            moved += worked.claimed
        return moved

    def ask_done(self) -> int:
        """Ask every system, now and then, what people did."""
        in_force = plans.plans_in_force()
        if not in_force:
            return 0
        since_at = min(plan.since_at for plan in in_force)
        counted = 0
        for system in self._systems():
            last = self._asked_at.get(system.name)
            connector = self._connector(system)
            if connector is None or (last and clock.now() < last + timedelta(seconds=ASK_SECONDS)):
                continue
            self._asked_at[system.name] = clock.now()
            try:
                counted += attempts.ask_done(connector, system=system, since_at=since_at, record=self._record)
            except TocsinError as error:
                self._hold(system, error)
            except NOT_UNDERSTOOD as error:
                self._hold(system, _not_understood(error))
        return counted

    def settle_progress(self) -> int:
        """Work out what the rounds since the last time come to for each account."""
        since, self._settle_since = self._settle_since, None
        return done.settle_progress(changed_since=since, by=MACHINE) if since else 0

    def close_plans(self) -> int:
        """Close the plans in which every account is safe."""
        finished = running.plans_finished()
        for number in finished:
            running.close_plan(number, by=MACHINE)
        return len(finished)

    def _record(self, facts: Sequence[DoneFact]) -> int:
        return done.record_done(facts, by=MACHINE)

    def _systems(self) -> list[System]:
        now = clock.now()
        found = systems.systems()
        return [
            system
            for system in found
            if (not self._only or system.name in self._only) and (system.held_until is None or system.held_until <= now)
        ]

    def _connector(self, system: System) -> Connector | None:
        """Return the connector of a system, kept as long as its settings and secrets stay; None holds the system."""
        try:
            opened = systems.secrets_of(system.name)
            marked = json.dumps([system.settings, dict(opened)], sort_keys=True)
            kept = self._connectors.get(system.name)
            if kept is None or kept[0] != marked:
                kept = marked, self._connect(system, opened)
                self._connectors[system.name] = kept
        except TocsinError as error:
            self._hold(system, error)
            return None
        return kept[1]

    def _hold(self, system: System, error: TocsinError) -> None:
        reason = str(error)[: settling.REASON_CHARACTERS_MAX]
        until = clock.now() + timedelta(seconds=attempts.HOLD_SECONDS)
        systems.hold_system(system.name, until=until, reason=reason)
        self._told(Worked(system.name, 0, held_reason=reason))
