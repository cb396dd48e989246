"""The sender: claims messages, hands them to channels, settles what came of it; any number may run at once.

It runs on one event loop; the database is asked in a thread of its own. What a killed sender leaves is told apart by
its file of begun messages (``spool``): what never began is sent by another, what did is never sent again by itself.
"""

import asyncio
import logging
import os
import secrets
import socket
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import Error, InterfaceError, OperationalError, connection

from tocsin.kernel import clock, failpoints
from tocsin.kernel.errors import TocsinError
from tocsin.messaging import channels, claiming, holding, recovering, releasing, settling
from tocsin.messaging.holding import Refusal
from tocsin.messaging.line_sending import SendingLine
from tocsin.messaging.ports import Outcome, Sending
from tocsin.messaging.spool import Spool
from tocsin.messaging.values import Channel, Claimed, ClaimedMessage, Verdict
from tocsin.messaging.waking import Bell, Listening

LOOK_SECONDS = 5.0  # between two looks at which channels there are, where nothing tells that they changed
GATHER_SECONDS = 0.1  # outcomes are gathered so long before they are settled together
SETTLE_MAX = 500
TROUBLE_SECONDS = 1.0
STOP_SECONDS_MAX = 30.0  # for a database that is away; what is not settled then is in the file
BROKEN_HOLD_SECONDS = 60.0
UNCERTAIN_SECONDS = 60.0  # a server may still commit a claim after its line dropped
_LOG = logging.getLogger("tocsin.messaging")

OpenChannel = Callable[[Channel, Mapping[str, str]], Sending]
Told = Callable[[str, Mapping[str, int]], None]  # channel, how many: sent, refused, unknown, broken


class Sender:
    """Sends what waits on the channels named in ``only``, or on all; ``told`` hears what was settled."""

    def __init__(
        self,
        open_channel: OpenChannel,
        *,
        only: Collection[str] = (),
        told: Told = lambda _channel, _counts: None,
    ) -> None:
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._open_channel, self._only, self._told = open_channel, frozenset(only), told
        self._rows = Rows()
        self._lines: dict[str, SendingLine] = {}
        self._running: dict[SendingLine, asyncio.Task[None]] = {}
        self._opened: dict[str, tuple[Any, ...]] = {}  # what each line was opened with
        self._outcomes: list[tuple[SendingLine, Outcome]] = []
        self._given_back: list[tuple[SendingLine, ClaimedMessage]] = []
        self._laid_down, self._claiming = asyncio.Event(), asyncio.Lock()
        self._ended, self._changed = False, asyncio.Event()
        self._settled_at_once = SETTLE_MAX
        self._uncertain_until = 0.0  # a claim's answer was lost: rows may be, or become, ours that we do not hold
        self._spool: Spool

    async def run(self, stop: asyncio.Event) -> None:
        """Send until ``stop`` is set; returns when everything that was begun is settled."""
        await self._work(partial(self._until_stopped, stop))

    async def drain(self, stop: asyncio.Event) -> None:
        """Send what is due now, and return when nothing more is, or when ``stop`` is set."""
        await self._work(partial(self._until_dry, stop))

    async def _work(self, wait: Callable[[], Any]) -> None:
        self._spool = Spool(self.name)
        settling_all = asyncio.create_task(self._settle_again())
        loop = asyncio.get_running_loop()
        listening = Listening(Bell.OUTBOX, lambda channel: loop.call_soon_threadsafe(self._woken, channel))
        try:
            await self._recover()
            await wait()
        finally:
            await asyncio.to_thread(listening.close)
            for line in self._running:
                line.stop()
            await asyncio.gather(*self._running.values(), return_exceptions=True)
            self._ended = True
            self._laid_down.set()
            await settling_all
            for line in self._running:
                await line.sending.close()
            # What is claimed and not begun is told apart from the rest by these notes alone.
            uncertain = asyncio.get_running_loop().time() < self._uncertain_until
            self._spool.close(keep=uncertain or any(line.held for line in self._running))
            await self._rows.close()

    async def _recover(self) -> None:
        """Give back what senders of this machine left behind when they died."""
        with suppress(Error):
            await self._rows(partial(recovering.recover, now=clock.now()))

    @property
    def idle(self) -> bool:
        """Whether each channel was looked at and nothing is due on any."""
        return bool(self._running) and all(line.dry and not line.held for line in self._running)

    def _woken(self, channel: str) -> None:
        """Something may go now: on a channel, or on any."""
        if channel and self._only and channel not in self._only:
            return
        if channel not in self._lines:
            self._changed.set()
        for line in [self._lines[channel]] if channel in self._lines else self._lines.values():
            line.wake()

    async def _until_stopped(self, stop: asyncio.Event) -> None:
        stopped = asyncio.create_task(stop.wait())
        while not stop.is_set():
            self._changed.clear()
            await self._look()
            changed = asyncio.create_task(self._changed.wait())
            await asyncio.wait({stopped, changed}, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()
        stopped.cancel()

    async def _until_dry(self, stop: asyncio.Event) -> None:
        await self._look()
        soon = timedelta(seconds=1)
        while not stop.is_set():
            under_way = any(
                line.held or not line.dry or (line.next_due_at and line.next_due_at < clock.now() + soon)
                for line, running in self._running.items() if line.held or not running.done()
            )  # fmt: skip
            if not under_way and not await self._let_go():
                break
            await _within(GATHER_SECONDS, stop.wait())

    # Which channels there are.

    async def _look(self) -> None:
        """Begin the lines of new and changed channels, end those of removed ones."""
        await self._let_go()
        try:
            found = await self._rows(_channels, self._only)
        except (Error, TocsinError) as error:
            _LOG.warning("looking for channels: %s", type(error).__name__)
            return
        broken = {line.channel.name for line in self._lines.values() if self._running[line].done()}
        for name in self._lines.keys() - found.keys() | broken:
            self._lines.pop(name).stop()
            del self._opened[name]
        for name, (channel, opening) in found.items():
            if opening is not None and self._opened.get(name) != opening:
                self._begin_line(channel, opening)
        for line, running in list(self._running.items()):
            if running.done() and self._lines.get(line.channel.name) is not line and not line.held:
                del self._running[line]
                await line.sending.close()

    async def _let_go(self) -> bool:
        """Let go what nothing holds any more, and say whether there was something."""
        with suppress(Error, TocsinError):
            if await self._rows(partial(releasing.let_go, now=clock.now())):
                self._woken("")
                return True
        return False

    def _begin_line(self, channel: Channel, opening: tuple[Any, ...]) -> None:
        try:
            sending = self._open_channel(channel, opening[-1])
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one channel, the others go on
            what = error.what if isinstance(error, TocsinError) else type(error).__name__
            _LOG.warning("opening %s: %s", channel.name, what)
            return
        if channel.name in self._lines:
            self._lines.pop(channel.name).stop()
        line = SendingLine(channel, sending, desk=self)
        self._lines[channel.name], self._opened[channel.name] = line, opening
        self._running[line] = asyncio.create_task(line.run())
        self._running[line].add_done_callback(partial(_say_broken, channel.name))

    # What lines ask.

    async def claim(self, line: SendingLine, *, limit: int) -> Claimed:
        """Claim messages for a line. After a claim whose answer was lost, what nobody holds is given back first.

        One at a time, until the line holds what it got: nothing in between may be taken for what nobody holds.
        """
        async with self._claiming:
            asked_at = asyncio.get_running_loop().time()
            if asked_at < self._uncertain_until:
                held = [message for each in self._running for message in each.held]
                await self._rows(partial(settling.release_all_but, held, sender=self.name))
            try:
                claimed: Claimed = await self._rows(
                    partial(
                        claiming.claim, line.channel.name, limit=limit, sender=self.name,
                        lease_seconds=line.lease_seconds, limits=line.sending.limits,
                    )
                )  # fmt: skip
            except Error:
                self._uncertain_until = asyncio.get_running_loop().time() + UNCERTAIN_SECONDS
                raise
            line.take(claimed, asked_at=asked_at)
            return claimed

    def begin(self, message: UUID) -> None:
        """Note that the bytes of a message may leave from now on."""
        self._spool.begin(message)

    def ended(self, line: SendingLine, outcome: Outcome) -> None:
        """Take an outcome; it is noted at once and settled with others."""
        with suppress(OSError):  # a full disk: it is settled all the same, unless this process dies before
            self._spool.answer(outcome)
        self._outcomes.append((line, outcome))
        self._laid_down.set()

    def unbegun(self, line: SendingLine, messages: Sequence[ClaimedMessage]) -> None:
        """Take back messages of which nothing left."""
        self._given_back += [(line, message) for message in messages]
        self._laid_down.set()

    def broken(self, channel: Channel) -> None:
        """Hold a channel for a minute that breaks again and again: each further message would end as unknown."""
        until = clock.now() + timedelta(seconds=BROKEN_HOLD_SECONDS)
        self._rows.later(partial(channels.hold_channel, channel.name, until=until, reason="the channel breaks"))

    # Settling.

    async def _settle_again(self) -> None:
        loop = asyncio.get_running_loop()
        deadline: float | None = None
        while not self._ended or self._outcomes or self._given_back:
            self._laid_down.clear()
            if not self._outcomes and not self._given_back:
                await self._laid_down.wait()
            if len(self._outcomes) < SETTLE_MAX and not self._ended:
                await asyncio.sleep(GATHER_SECONDS)
            try:
                await self._settle()
            except Exception as error:  # noqa: BLE001 - were this to end, nothing would be sent any more
                _LOG.warning("settling: %s", type(error).__name__)
                self._set_apart(error)
                deadline = deadline or (loop.time() + STOP_SECONDS_MAX if self._ended else None)
                if deadline and loop.time() > deadline:
                    break
                await asyncio.sleep(TROUBLE_SECONDS)

    def _set_apart(self, error: Exception) -> None:
        """After trouble that is not the server's settle one by one; what cannot be settled goes behind all others."""
        if isinstance(error, OperationalError | InterfaceError):
            return
        if self._settled_at_once == 1 and self._outcomes:
            self._outcomes.append(self._outcomes.pop(0))
        self._settled_at_once = 1

    async def _settle(self) -> None:
        """Settle what was laid down, in one transaction for all lines; what is settled frees its places."""
        batch, back = self._outcomes[: self._settled_at_once], self._given_back[:SETTLE_MAX]
        if batch:
            failpoints.reach("before_settle")
            limits = {line.channel.name: line.sending.limits.per_second for line, _outcome in batch}
            by_line = [(line.channel.name, outcome) for line, outcome in batch]
            await self._rows(_settled, by_line, limits, self.name)
            failpoints.reach("after_settle")
            del self._outcomes[: len(batch)]
            self._settled_at_once = min(SETTLE_MAX, 2 * self._settled_at_once)
            self._free([(line, outcome.message_id, outcome.claimed_at) for line, outcome in batch])
            for line in {line for line, _outcome in batch}:
                self._told(line.channel.name, Counter(_word(outcome) for of, outcome in batch if of is line))
        if back:
            claims = {message.id: message.claimed_at for _line, message in back}
            await self._rows(partial(settling.release, claims, sender=self.name))
            del self._given_back[: len(back)]
            self._free([(line, message.id, message.claimed_at) for line, message in back])

    def _free(self, ended: Sequence[tuple[SendingLine, UUID, datetime]]) -> None:
        """Let go of claims the database knows the end of; a message that was claimed again meanwhile stays held."""
        for line in {line for line, _message, _claimed_at in ended}:
            line.settled([(message, claimed_at) for of, message, claimed_at in ended if of is line])
        gone = [each for _line, each, _claimed_at in ended if not any(each in line.held for line in self._running)]
        with suppress(OSError):
            self._spool.settled(gone)


class Rows:
    """Database work off the event loop: one thread with one connection, a fresh one after trouble."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tocsin-sender")

    async def __call__(self, work: Callable[..., Any], *given: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._done, work, *given)

    def later(self, work: Callable[[], Any]) -> None:
        """Do something nobody waits for."""
        self._executor.submit(self._done, work)

    async def close(self) -> None:
        """Close the connection and end the thread."""
        await asyncio.get_running_loop().run_in_executor(self._executor, self._let_go)
        self._executor.shutdown()

    @staticmethod
    def _let_go() -> None:
        connection.close()  # this thread's: it is looked up here

    @staticmethod
    def _done(work: Callable[..., Any], *given: Any) -> Any:
        try:
            return work(*given)
        except Error:
            connection.close()
            raise


async def _within(seconds: float, waiting: Any) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await waiting


def _channels(only: frozenset[str]) -> dict[str, tuple[Channel, tuple[Any, ...] | None]]:
    """Return the channels with what opening them depends on; None: its secrets do not open, the others' may."""
    found: dict[str, tuple[Channel, tuple[Any, ...] | None]] = {}
    for channel in channels.channels():
        if not only or channel.name in only:
            try:
                opened = channels.channel_secrets(channel.name)
            except TocsinError as error:
                _LOG.warning("opening %s: %s", channel.name, error.what)
                found[channel.name] = (channel, None)
                continue
            found[channel.name] = (
                channel,
                (channel.kind, channel.line, channel.account, channel.portfolio, channel.settings, opened),
            )
    return found


def _say_broken(channel: str, running: "asyncio.Task[None]") -> None:
    """Say that a line ended by itself; it is begun again at the next look."""
    if not running.cancelled() and (error := running.exception()) is not None:
        _LOG.error("the line %s broke: %s", channel, type(error).__name__)


def _settled(batch: Sequence[tuple[str, Outcome]], limits: Mapping[str, float | None], sender: str) -> None:
    """Settle outcomes, then do what refusals mean for other messages; what they say of people is settled with them."""
    settling.settle([outcome for _channel, outcome in batch], sender=sender)
    refusals: dict[str, list[Refusal]] = {}
    for channel, outcome in batch:
        if outcome.error is not None and outcome.error.verdict is not Verdict.STOPPED:
            error = outcome.error
            refusal = Refusal(
                outcome.message_id, error.verdict, error.reason, code=error.code, wait_seconds=error.wait_seconds
            )
            refusals.setdefault(channel, []).append(refusal)
    for channel in sorted(refusals):
        holding.take_refusals(refusals[channel], per_second=limits[channel], now=clock.now())


def _word(outcome: Outcome) -> str:
    if outcome.accepted is not None:
        return "sent"
    if outcome.error is None:
        return "broken"
    return "unknown" if outcome.error.reason == "no_answer" else "refused"
