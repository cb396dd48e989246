"""Working off the steps of one connected system: claim, act, settle, read back; what people did is asked for."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from tocsin.containment import sending, settling, systems
from tocsin.containment.ports import Answer, Connector, Holding, Order, Outcome, ReadBack
from tocsin.containment.settling import ClaimedStep, Settled
from tocsin.containment.states import StepState
from tocsin.containment.values import DoneBy, DoneFact, DoneKind, MeasureKind, StepReason, System, Worked
from tocsin.kernel import clock
from tocsin.kernel.errors import TocsinError

HOLD_SECONDS = 60.0  # a system that does not answer at all is tried again after this long
LEASE_SECONDS = 300.0
LEASE_SECONDS_PER_ORDER = 5.0  # of a system that says how slow it is: its own pace, five times over
AT_ONCE_MAX = 50_000

# What reading back may prove of each measure, as a fact about the person (or, for the last two, about the system).
DONE_OF: Mapping[MeasureKind, DoneKind] = {
    MeasureKind.RESET_PASSWORD: DoneKind.PASSWORD_CHANGED,
    MeasureKind.REAUTHENTICATE: DoneKind.SIGNED_IN,
    MeasureKind.ROTATE_KEY: DoneKind.KEY_ROTATED,
    MeasureKind.REVOKE_SESSIONS: DoneKind.SESSIONS_ENDED,
    MeasureKind.SUSPEND: DoneKind.SUSPENDED,
}
IN_FORCE_IS_DONE = frozenset({MeasureKind.REVOKE_SESSIONS, MeasureKind.SUSPEND})

Record = Callable[[Sequence[DoneFact]], int]


def work_off(connector: Connector, *, worker: str, record: Record) -> Worked:
    """Claim one batch of due steps and take each as far as it goes now; nothing claimed means nothing is due.

    When the system does not answer at all it is held for a minute, and what was claimed is read back first then.
    """
    limits = connector.limits()
    limit = max(1, min(limits.at_once, AT_ONCE_MAX))
    slow = LEASE_SECONDS_PER_ORDER * limit / limits.per_second if limits.per_second else 0.0
    claimed = sending.claim_steps(
        connector.name, limit=limit, lease_seconds=max(LEASE_SECONDS, slow), worker=worker
    )  # fmt: skip
    counts: Counter[StepState] = Counter()
    held_reason = ""
    for verb, act, chosen in (
        ("containment.steps_undone", _undone, {StepState.UNDOING}),
        ("containment.steps_sent", _sent, {StepState.PLANNED}),
        ("containment.steps_read_back", _read_back, {StepState.SENDING, StepState.SENT}),
    ):
        steps = [step for step in claimed if step.before in chosen]
        if not steps:
            continue
        round_ = _Round(connector, steps)
        if not held_reason:
            act(round_)
            held_reason = round_.fault
        if held_reason:
            _hold(round_, reason=held_reason)
        sending.settle_steps(
            [(step, round_.settled[step.id]) for step in steps if step.id in round_.settled],
            system=connector.name, worker=worker, verb=verb, facts=round_.facts, record=record,
        )  # fmt: skip
        counts.update(to.state for to in round_.settled.values())
    if claimed and not held_reason:
        systems.release_system(connector.name)
    return Worked(connector.name, len(claimed), dict(counts), held_reason)


def ask_done(connector: Connector, *, system: System, since_at: datetime, record: Record) -> int:
    """Ask a system what people did since it was last asked, and record what concerns accounts with steps there."""
    facts, cursor = connector.done_since(system.done_cursor or since_at.isoformat())
    known = sending.known_accounts(connector.name, accounts=[fact.account for fact in facts]) if facts else set()
    counted = record([fact for fact in facts if fact.account in known]) if known else 0
    if cursor != system.done_cursor:
        systems.keep_cursor(connector.name, cursor=cursor)
    return counted


class _Round:
    """One batch of steps on one system, what became of each so far, and the fault that ended it early."""

    def __init__(self, connector: Connector, steps: Sequence[ClaimedStep]) -> None:
        self.connector = connector
        self.abilities = connector.abilities()
        self.steps = {step.order.key: step for step in steps}
        self.settled: dict[object, Settled] = {}
        self.facts: list[DoneFact] = []
        self.fault = ""
        self.now = clock.now()

    def orders(self, kinds: Iterable[MeasureKind]) -> list[Order]:
        """Return the orders of these measures that are not settled."""
        wanted = frozenset(kinds)
        return [
            step.order
            for step in self.steps.values()
            if step.id not in self.settled and step.order.measure.kind in wanted
        ]

    def failed(self) -> bool:
        """Say whether the system stopped answering."""
        return bool(self.fault)

    def settle(self, step: ClaimedStep, to: Settled) -> None:
        self.settled[step.id] = to


def _sent(round_: _Round) -> None:
    for step in round_.steps.values():
        if step.order.measure.kind not in round_.abilities.takes:
            refused = Settled(step.id, StepState.REFUSED, step.tries, None, StepReason.NOT_TAKEN_HERE)
            round_.settle(step, refused)
    for outcome in _answers(round_, act=round_.connector.apply, kinds=round_.abilities.takes):
        step = round_.steps[outcome.order.key]
        round_.settle(step, settling.after_sending(step, outcome=outcome, now=clock.now()))


def _read_back(round_: _Round) -> None:
    readable = round_.abilities.reads_back
    for step in round_.steps.values():
        if step.order.measure.kind not in readable:
            _settle_read(round_, ReadBack(step.order, Holding.UNKNOWN))
    for read in _readings(round_, kinds=readable):
        _settle_read(round_, read)


def _settle_read(round_: _Round, read: ReadBack) -> None:
    step = round_.steps[read.order.key]
    kind = read.order.measure.kind
    now = clock.now()
    to = settling.after_reading_back(
        step, read=read, now=now, reads_back=kind in round_.abilities.reads_back
    )  # fmt: skip
    round_.settle(step, to)
    in_force = read.holding is Holding.IN_FORCE and kind in IN_FORCE_IS_DONE
    if kind in DONE_OF and (read.holding is Holding.DONE or in_force):
        fact = DoneFact(
            account=read.order.account, kind=DONE_OF[kind], done_at=read.done_at or now, by=DoneBy.CONNECTOR,
            source=round_.connector.name, reference=step.order.key,
        )  # fmt: skip
        round_.facts.append(fact)


def _undone(round_: _Round) -> None:
    undoable = round_.abilities.undoes
    for step in round_.steps.values():
        if step.reason == StepReason.HELD_ALREADY:  # it was so before us: lifting it would be a change of our own
            round_.settle(step, Settled(step.id, StepState.UNDONE, step.tries, None, step.reason))
        elif step.order.measure.kind not in undoable:
            refused = Settled(step.id, StepState.REFUSED, step.tries, None, StepReason.CANNOT_BE_UNDONE)
            round_.settle(step, refused)
    outcomes = {outcome.order.key: outcome for outcome in _answers(round_, act=round_.connector.undo, kinds=undoable)}
    if round_.failed():
        return
    lifted = {key for key, outcome in outcomes.items() if outcome.answer in (Answer.TAKEN, Answer.HELD_ALREADY)}
    looked = round_.abilities.reads_back & undoable
    reads = {read.order.key: read for read in _readings(round_, kinds=looked, only=lifted)}
    if round_.failed():
        return
    for key, outcome in outcomes.items():
        step = round_.steps[key]
        to = settling.after_undoing(step, outcome=outcome, read=reads.get(key), now=clock.now())
        round_.settle(step, to)


def _answers(
    round_: _Round, *, act: Callable[[Sequence[Order]], Iterable[Outcome]], kinds: Iterable[MeasureKind]
) -> Iterable[Outcome]:
    """Yield the answers to what is open; an order that got none is unknown, a system that fails ends the round."""
    orders = {order.key: order for order in round_.orders(kinds)}
    if not orders:
        return
    try:
        for outcome in act(list(orders.values())):
            if orders.pop(outcome.order.key, None) is not None:
                yield outcome
    except TocsinError as error:
        round_.fault = str(error)
        return
    for order in orders.values():
        yield Outcome(order, Answer.UNKNOWN)


def _readings(round_: _Round, *, kinds: Iterable[MeasureKind], only: Iterable[str] | None = None) -> Iterable[ReadBack]:
    orders = {order.key: order for order in round_.orders(kinds)}
    if only is not None:
        wanted = frozenset(only)
        orders = {key: order for key, order in orders.items() if key in wanted}
    if not orders:
        return
    try:
        for read in round_.connector.verify(list(orders.values())):
            if orders.pop(read.order.key, None) is not None:
                yield read
    except TocsinError as error:
        round_.fault = str(error)
        return
    for order in orders.values():
        yield ReadBack(order, Holding.UNKNOWN)


def _hold(round_: _Round, *, reason: str) -> None:
    """Hold the system for a while; what was not settled is tried after that, and costs no try."""
    until = clock.now() + timedelta(seconds=HOLD_SECONDS)
    systems.hold_system(round_.connector.name, until=until, reason=reason[: settling.REASON_CHARACTERS_MAX])
    for step in round_.steps.values():
        if step.id in round_.settled:
            continue
        if step.before is StepState.PLANNED:
            to = replace(settling.unanswered(step, until=until), tries=step.tries)
        else:
            to = Settled(step.id, step.before, step.tries, until, step.reason)
        round_.settle(step, to)
