"""Where a step on a connected system goes after an answer or a reading back: ideas only, no rows.

An answer is never believed. A step is confirmed when reading back shows the measure, done when a fact shows what the
person did, and it goes back to be sent when a system that answered shows nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from tocsin.containment.ports import Answer, Holding, Order, Outcome, ReadBack
from tocsin.containment.states import StepState
from tocsin.containment.values import StepReason

TRIES_MAX = 8  # of one step, rate limits not counted: about an hour and a half of back-off
NOTHING_TRIES_MAX = 3  # a system that answers and does nothing is asked this often
BACK_OFF_SECONDS_MIN = 15.0
BACK_OFF_SECONDS_MAX = 3600.0
READING_SECONDS_MAX = 86_400.0  # a system that cannot tell for a day is given up
SECOND_LOOK_SECONDS = 10.0  # directories copy themselves: look twice before saying that nothing was done
REASON_CHARACTERS_MAX = 300


@dataclass(frozen=True, slots=True)
class ClaimedStep:
    """One step a worker holds until its lease ends; ``before`` is the state it was claimed in."""

    id: UUID
    plan: int
    order: Order
    before: StepState
    state_at: datetime  # since when it has been in that state
    tries: int
    reason: str


@dataclass(frozen=True, slots=True)
class Settled:
    """Where one step goes. ``next_try_at`` is None when nothing more is to be asked."""

    id: UUID
    state: StepState
    tries: int
    next_try_at: datetime | None
    reason: str
    confirmed: bool = False


def back_off_seconds(tries: int) -> float:
    """Return how long to wait after so many tries: doubling from 15 s to an hour."""
    return float(min(BACK_OFF_SECONDS_MAX, BACK_OFF_SECONDS_MIN * 2.0 ** min(tries - 1, 16)))


def after_sending(step: ClaimedStep, *, outcome: Outcome, now: datetime) -> Settled:
    """Return where a step goes after the answer to its order."""
    match outcome.answer:
        case Answer.TAKEN:
            # What was said before is kept: a system that did nothing last time is counted by its tries.
            kept = step.reason if step.reason == StepReason.DID_NOTHING else ""
            return Settled(step.id, StepState.SENT, step.tries + 1, now, kept)
        case Answer.HELD_ALREADY:
            # Only before our first order can it have been somebody else; undoing will leave that alone.
            untouched = step.tries == 0 and step.reason in ("", StepReason.RATE_LIMITED)
            reason = StepReason.HELD_ALREADY if untouched else step.reason
            return Settled(step.id, StepState.SENT, step.tries + 1, now, reason)
        case Answer.ABSENT:
            return Settled(step.id, StepState.UNREACHABLE, step.tries + 1, None, StepReason.NOT_KNOWN)
        case Answer.REFUSED:
            return Settled(step.id, StepState.REFUSED, step.tries + 1, None, said(StepReason.SAID_NO, outcome.reason))
        case Answer.LATER:
            return _later(step, outcome=outcome, now=now)
        case Answer.UNKNOWN:
            return unanswered(step, until=now + timedelta(seconds=back_off_seconds(step.tries + 1)))


def unanswered(step: ClaimedStep, *, until: datetime) -> Settled:
    """Return where a step goes that may or may not have arrived: it is read back before it is sent again."""
    return Settled(step.id, StepState.SENDING, step.tries + 1, until, StepReason.NO_ANSWER)


def _later(step: ClaimedStep, *, outcome: Outcome, now: datetime) -> Settled:
    limited = outcome.retry_after_seconds > 0
    tries = step.tries if limited else step.tries + 1
    if tries >= TRIES_MAX:
        return Settled(step.id, StepState.UNREACHABLE, tries, None, said(StepReason.NO_ANSWER, outcome.reason))
    wait = max(outcome.retry_after_seconds, 0.0 if limited else back_off_seconds(tries))
    reason = StepReason.RATE_LIMITED if limited else said(StepReason.NO_ANSWER, outcome.reason)
    return Settled(step.id, StepState.PLANNED, tries, now + timedelta(seconds=wait), reason)


def after_reading_back(step: ClaimedStep, *, read: ReadBack, now: datetime, reads_back: bool) -> Settled:
    """Return where a step goes after reading back; ``reads_back`` says whether the system can show this measure."""
    kept = step.reason if step.reason == StepReason.HELD_ALREADY else ""
    match read.holding:
        case Holding.IN_FORCE | Holding.DONE:
            return Settled(step.id, StepState.CONFIRMED, step.tries, None, kept, confirmed=True)
        case Holding.ABSENT:
            return Settled(step.id, StepState.UNREACHABLE, step.tries, None, StepReason.NOT_KNOWN)
        case Holding.NOT_IN_FORCE if step.before is StepState.SENDING:
            return _again(step, now=now)  # it never arrived: sending it is not repeating it
        case Holding.NOT_IN_FORCE:
            return _nothing_seen(step, now=now)
        case Holding.UNKNOWN if not reads_back and step.before is StepState.SENDING:
            return _again(step, now=now)  # the port promises that twice does no more than once
        case Holding.UNKNOWN if not reads_back:
            return Settled(step.id, StepState.SENT, step.tries, None, StepReason.CANNOT_READ_BACK)
        case Holding.UNKNOWN:
            return _not_told(step, read=read, now=now)


def _again(step: ClaimedStep, *, now: datetime) -> Settled:
    if step.tries >= TRIES_MAX:
        return Settled(step.id, StepState.UNREACHABLE, step.tries, None, StepReason.NO_ANSWER)
    return Settled(step.id, StepState.PLANNED, step.tries, now, step.reason or StepReason.NO_ANSWER)


def _nothing_seen(step: ClaimedStep, *, now: datetime) -> Settled:
    if step.reason not in (StepReason.NOT_YET, StepReason.DID_NOTHING) or step.tries == 0:
        again_at = now + timedelta(seconds=SECOND_LOOK_SECONDS)
        return Settled(step.id, StepState.SENT, step.tries, again_at, StepReason.NOT_YET)
    if step.tries >= NOTHING_TRIES_MAX:
        return Settled(step.id, StepState.REFUSED, step.tries, None, StepReason.DID_NOTHING)
    again_at = now + timedelta(seconds=back_off_seconds(step.tries))
    return Settled(step.id, StepState.PLANNED, step.tries, again_at, StepReason.DID_NOTHING)


def _not_told(step: ClaimedStep, *, read: ReadBack, now: datetime) -> Settled:
    """Look again, after as long as it has lasted already; no try is counted, since some systems lag for minutes."""
    lasted = (now - step.state_at).total_seconds()
    reason = said(StepReason.NO_ANSWER, read.reason)
    if lasted > READING_SECONDS_MAX:
        return Settled(step.id, StepState.UNREACHABLE, step.tries, None, reason)
    again_at = now + timedelta(seconds=min(BACK_OFF_SECONDS_MAX, max(BACK_OFF_SECONDS_MIN, lasted)))
    return Settled(step.id, step.before, step.tries, again_at, reason)


def after_undoing(step: ClaimedStep, *, outcome: Outcome, read: ReadBack | None, now: datetime) -> Settled:
    """Return where a step goes after lifting its measure; ``read`` is what the system showed right afterwards."""
    answer, tries = outcome.answer, step.tries + 1
    if answer is Answer.REFUSED:
        return Settled(step.id, StepState.REFUSED, tries, None, said(StepReason.CANNOT_BE_UNDONE, outcome.reason))
    if answer is Answer.ABSENT:
        return Settled(step.id, StepState.UNDONE, tries, None, StepReason.NOT_KNOWN)
    taken = answer in (Answer.TAKEN, Answer.HELD_ALREADY)
    if taken and (read is None or read.holding is not Holding.IN_FORCE):
        return Settled(step.id, StepState.UNDONE, tries, None, "")
    if answer is Answer.LATER and outcome.retry_after_seconds > 0:
        again_at = now + timedelta(seconds=outcome.retry_after_seconds)
        return Settled(step.id, StepState.UNDOING, step.tries, again_at, StepReason.RATE_LIMITED)
    if tries >= TRIES_MAX:
        return Settled(step.id, StepState.UNREACHABLE, tries, None, said(StepReason.NO_ANSWER, outcome.reason))
    again_at = now + timedelta(seconds=back_off_seconds(tries))
    reason = StepReason.DID_NOTHING if taken else said(StepReason.NO_ANSWER, outcome.reason)
    return Settled(step.id, StepState.UNDOING, tries, again_at, reason)


def said(reason: StepReason, words: str) -> str:
    """Return a reason with the system's own words, kept short."""
    short = " ".join(words.split())[:REASON_CHARACTERS_MAX]
    return f"{reason}: {short}" if short else reason
