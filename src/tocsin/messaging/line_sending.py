"""One channel as a sender uses it: what is claimed goes out at its moment, many at once, each exactly once."""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from django.db import Error

from tocsin.kernel import clock, failpoints
from tocsin.kernel.errors import TocsinError
from tocsin.messaging import width
from tocsin.messaging.ports import Outcome, OutcomeUnknown, Sending, TransportError
from tocsin.messaging.values import Accepted, Channel, Claimed, ClaimedMessage

HELD_MAX = 2 * width.MOST  # messages of a line that are claimed and not yet settled
PACED_SECONDS = 0.1  # after a claim as large as the pace allowed; less than moments are promised ahead
SPARE_SECONDS = 30.0  # of a lease, beyond the longest send
POLL_SECONDS = 5.0  # where nothing wakes a line: the database tells what is queued, and each claim what comes next
STEP_SECONDS = 0.25
TROUBLE_SECONDS = 1.0
BROKEN_MAX = 5  # a channel that breaks so often in a row is held instead of spoiling every message
_LOG = logging.getLogger("tocsin.messaging")


class Desk(Protocol):
    """What a line asks of its sender: claiming, and a place to lay outcomes down."""

    async def claim(self, line: "SendingLine", *, limit: int) -> Claimed:
        """Claim messages for a line and give them to its ``take``."""

    def begin(self, message: UUID) -> None:
        """Note that its bytes may leave; OSError when that cannot be noted."""

    def ended(self, line: "SendingLine", outcome: Outcome) -> None:
        """Take an outcome to be settled."""

    def unbegun(self, line: "SendingLine", messages: Sequence[ClaimedMessage]) -> None:
        """Take back messages of which nothing left."""

    def broken(self, channel: Channel) -> None:
        """Hold a channel that breaks again and again."""


class SendingLine:
    """The sending of one channel: ``held`` are its messages that are claimed and not settled."""

    def __init__(self, channel: Channel, sending: Sending, *, desk: Desk) -> None:
        self.channel, self.sending, self._desk = channel, sending, desk
        self.held: dict[UUID, ClaimedMessage] = {}
        self.stopping = False
        self.next_due_at: datetime | None = None  # as the last claim that brought nothing said
        self.dry = False  # the last claim brought nothing
        self._ready: deque[tuple[float, float, ClaimedMessage]] = deque()  # moment, end of its lease, message
        self._freed, self._more = asyncio.Event(), asyncio.Event()
        self._sends: set[asyncio.Task[None]] = set()
        self._width, self._place = width.Width(), asyncio.Event()
        self._ahead, self._low = width.Ahead(), 0
        self._broken = 0

    @property
    def lease_seconds(self) -> float:
        """How long a claim holds a message."""
        return self.sending.seconds_max + SPARE_SECONDS

    async def run(self) -> None:
        """Send until told to stop, then give back what was not begun and wait for what is under way."""
        dispatching = asyncio.create_task(self._dispatch())
        dispatching.add_done_callback(lambda _ended: self.stop())  # nothing is claimed that nobody would begin
        try:
            while not self.stopping:
                await self._fill()
        finally:
            self.stop()
            await dispatching
            self._give_back_ready()  # a claim may have come back after the last was begun
            if self._sends:
                await asyncio.wait(self._sends)

    def stop(self) -> None:
        """Claim and begin nothing more."""
        self.stopping = True
        self._place.set()
        self._freed.set()
        self._more.set()

    def wake(self) -> None:
        """Look again at once: something may be due."""
        self.dry = False
        self._freed.set()

    def settled(self, claims: Sequence[tuple[UUID, datetime]]) -> None:
        """Free the places of these messages, as they were claimed then."""
        for message, claimed_at in claims:
            held = self.held.get(message)
            if held is not None and held.claimed_at == claimed_at:
                del self.held[message]
        self.wake()  # they may be due again

    async def _fill(self) -> None:
        """Claim as many as there are free places, or wait."""
        self._freed.clear()  # what is freed or queued from now on ends the pause below
        ahead = self._ahead.allowed(asyncio.get_running_loop().time(), left=len(self._ready))
        free = min(HELD_MAX - len(self.held), ahead - len(self._ready))
        self._low = ahead // 2  # fewer are not worth a transaction while others are still under way
        if free < (ahead - self._low if self.held else 1):
            await self._pause(TROUBLE_SECONDS)
            return
        try:
            claimed = await self._desk.claim(self, limit=free)
        except (Error, TocsinError) as error:  # a key that is away comes back: the line must live until then
            _LOG.warning("claiming: %s", type(error).__name__)
            await self._pause(TROUBLE_SECONDS)
            return
        failpoints.reach("after_claim")
        if not claimed.messages and not self.stopping:
            await self._pause(self._seconds_to(claimed.next_due_at))
        elif claimed.every_seconds and len(claimed.messages) < free and not self.stopping:
            await asyncio.sleep(PACED_SECONDS)  # at once there would be room for one more, and one more

    def take(self, claimed: Claimed, *, asked_at: float) -> None:
        """Hold what was claimed; ``asked_at`` is the loop's time before the claim."""
        # The lease is counted from before it was given, so that it ends here before it ends in the database.
        lease_end = asked_at + self.lease_seconds
        first = asyncio.get_running_loop().time() + claimed.first_seconds
        self.dry, self.next_due_at = not claimed.messages, claimed.next_due_at
        for place, message in enumerate(claimed.messages):
            self.held[message.id] = message
            self._ready.append((first + place * claimed.every_seconds, lease_end, message))
        self._more.set()

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._freed.wait()
        except TimeoutError:
            return

    @staticmethod
    def _seconds_to(due_at: datetime | None) -> float:
        if due_at is None:
            return POLL_SECONDS
        return min(POLL_SECONDS, max(0.005, (due_at - clock.now()).total_seconds()))

    async def _dispatch(self) -> None:
        """Begin each message at its moment; what a stop or the end of its lease overtakes goes back."""
        loop = asyncio.get_running_loop()
        while True:
            while not self._ready and not self.stopping:
                self._more.clear()
                await self._more.wait()
            if not self._ready:
                break
            moment, lease_end, message = self._ready.popleft()
            while (ahead := moment - loop.time()) > 0 and not self.stopping:
                await asyncio.sleep(min(ahead, STEP_SECONDS))
            while len(self._sends) >= self._width.allowed and not self.stopping:
                self._place.clear()
                await self._place.wait()
            if len(self._ready) == self._low:
                self._freed.set()
            if self.stopping or loop.time() + self.sending.seconds_max > lease_end:
                self._desk.unbegun(self, [message])
                continue
            if not self._begun(message):
                self._desk.unbegun(self, [message])
                await asyncio.sleep(TROUBLE_SECONDS)
                continue
            self._ahead.began()
            send = loop.create_task(self._send(message, clock.now()))
            self._sends.add(send)
            send.add_done_callback(self._sent)
        self._give_back_ready()

    def _give_back_ready(self) -> None:
        self._desk.unbegun(self, [message for _moment, _lease_end, message in self._ready])
        self._ready.clear()

    def _sent(self, send: asyncio.Task[None]) -> None:
        self._sends.discard(send)
        self._place.set()

    def _begun(self, message: ClaimedMessage) -> bool:
        try:
            self._desk.begin(message.id)
        except OSError as error:
            _LOG.warning("noting what is begun: %s", error.strerror or type(error).__name__)
            return False
        failpoints.reach("before_send")
        return True

    async def _send(self, message: ClaimedMessage, begun_at: datetime) -> None:
        accepted: Accepted | None = None
        error: TransportError | None = None
        detail = ""
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with asyncio.timeout(self.sending.seconds_max):
                accepted = await self.sending.send(message)
        except TransportError as refused:
            error = refused.with_traceback(None)
        except TimeoutError:
            error = OutcomeUnknown(f"no answer in {self.sending.seconds_max:g} s")
        except Exception as broken:  # noqa: BLE001 - whatever breaks in a channel, the other messages go on
            detail = type(broken).__name__
        failpoints.reach("after_send")
        self._width.answered(loop.time() - started, full=len(self._sends) >= self._width.allowed)
        self._count_broken(bool(detail))
        self._desk.ended(
            self,
            Outcome(
                message_id=message.id, number=message.number, claimed_at=message.claimed_at, begun_at=begun_at,
                answered_at=clock.now(), accepted=accepted, error=error, fallback=message.fallback,
                digest=message.digest, detail=detail,
            ),
        )  # fmt: skip

    def _count_broken(self, broken: bool) -> None:  # noqa: FBT001 - one thing that is or is not
        self._broken = self._broken + 1 if broken else 0
        if self._broken == BROKEN_MAX:
            self._desk.broken(self.channel)
