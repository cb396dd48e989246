"""Updates to the receiver: batched, signed over the raw bytes, tried again for seven days of simulated time."""

import asyncio
import hashlib
import hmac
from collections import Counter, deque
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import Any

import aiohttp
import orjson

from tocsin_simulator.clock import Clock
from tocsin_simulator.errors import GraphError
from tocsin_simulator.faults import Faults
from tocsin_simulator.lines import Lines
from tocsin_simulator.values import Settings

# Meta's own: at most so many updates and bytes in one webhook, and tries for so long.
MAX_BYTES = 3 * 1024 * 1024
MAX_UPDATES = 1_000
GIVE_UP_SECONDS = 7 * 24 * 3600
# Pauses between tries double; Meta says only that they grow.
FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 6 * 3600.0
# How long (real seconds) a batch waits to be filled, and a receiver may take to answer.
LINGER_SECONDS = 0.02
ANSWER_SECONDS = 20.0


def signature(app_secret: str, body: bytes) -> str:
    """Return the value of `X-Hub-Signature-256`."""
    return "sha256=" + hmac.new(app_secret.encode(), body, hashlib.sha256).hexdigest()


@dataclass(slots=True)
class Update:
    """One update that waits. A status keeps its parts, so that several fit into one `value`."""

    url: str
    change: bytes = b""  # the whole change, or empty when it is a status:
    head: bytes = b""  # the value's beginning, the same for all statuses of a number
    contact: bytes = b""
    status: bytes = b""


@dataclass(slots=True)
class Post:
    """One webhook, ready to be sent, perhaps again and again."""

    url: str
    body: bytes
    updates: int
    first_at: float
    ordinal: int
    tries: int = 0
    headers: dict[str, str] = field(default_factory=dict)


class Webhooks:
    """Takes updates and brings them to the receiver."""

    def __init__(self, settings: Settings, clock: Clock, faults: Faults) -> None:
        self.settings = settings
        self.clock = clock
        self.faults = faults
        self.counts: Counter[str] = Counter()  # updates, posts, accepted, refused, unreachable, retried, given_up, lost
        self._updates: deque[Update] = deque()
        self._again: deque[Post] = deque()
        self._ready = asyncio.Event()
        self._taking = asyncio.Lock()
        self._lines = Lines()
        self._tasks: list[asyncio.Task[None]] = []
        self._ordinal = 0

    def queue(self, field: str, value: dict[str, Any], *, url: str) -> None:
        """Queue one update of any field."""
        self._add(Update(url, change=orjson.dumps({"field": field, "value": value})))

    def queue_status(self, *, head: bytes, contact: bytes, status: bytes, url: str) -> None:
        """Queue one status. `head` is the value up to and without `contacts`; `contact` may be empty."""
        self._add(Update(url, head=head, contact=contact, status=status))

    def _add(self, update: Update) -> None:
        self.counts["updates"] += 1
        if update.url:
            self._updates.append(update)
            self._ready.set()

    @property
    def waiting(self) -> int:
        """Return how many updates have not been sent once."""
        return len(self._updates)

    async def start(self) -> None:
        """Begin to send."""
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self.settings.connections)]

    async def stop(self) -> None:
        """Stop at once; what waits is forgotten."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await self._lines.close()

    async def _work(self) -> None:
        while True:
            post = await self._take()
            await self._send(post)

    async def _take(self) -> Post:
        """Return the next webhook; one worker at a time fills its batch."""
        async with self._taking:
            while True:
                if self._again:
                    return self._again.popleft()
                if self._updates:
                    if len(self._updates) < self.settings.batch:
                        await asyncio.sleep(LINGER_SECONDS)
                    return self._filled()
                self._ready.clear()
                await self._ready.wait()

    def _filled(self) -> Post:
        """Return a webhook with as many of the waiting updates as fit and go to the same address."""
        limit = max(1, min(self.settings.batch, MAX_UPDATES))
        url = self._updates[0].url
        size = 200
        taken = 0
        for update in islice(self._updates, limit):
            size += len(update.change) + len(update.head) + len(update.contact) + len(update.status) + 80
            if update.url != url or (taken and size > MAX_BYTES):
                break
            taken += 1
        updates = [self._updates.popleft() for _ in range(taken)]
        self._ordinal += 1
        # Both shapes occur: statuses of a number together in one value, and each in a change of its own.
        changes = together(updates) if self._ordinal % 2 else [alone(update) for update in updates]
        now = self.clock.now()
        body = b'{"object":"whatsapp_business_account","entry":[{"id":"%b","time":%d,"changes":[%b]}]}' % (
            self.settings.waba_id.encode(),
            int(now),
            b",".join(changes),
        )
        return Post(url, body, taken, now, self._ordinal)

    async def _send(self, post: Post) -> None:
        kind = "" if post.tries else self.faults.of_webhook(post.ordinal)
        if kind == "lose_webhooks":
            self.counts["lost"] += post.updates
            return
        secret = "another secret" if kind == "bad_signature" else self.settings.app_secret
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "facebookexternalua",
            "X-Hub-Signature-256": signature(secret, post.body),
        }
        for _ in range(2 if kind == "repeat_webhooks" else 1):
            taken = await self._post(post, headers)
        if not taken:
            self._later(post)

    async def _post(self, post: Post, headers: dict[str, str]) -> bool:
        """Send once; tell whether the receiver answered 200."""
        self.counts["posts"] += 1
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                taken = await self._lines.post(post.url, post.body, headers) == 200
        except (OSError, TimeoutError, ValueError):
            self.counts["unreachable"] += 1
            return False
        self.counts["accepted" if taken else "refused"] += 1
        return taken

    def _later(self, post: Post) -> None:
        """Try again after a growing pause, or give up after seven days."""
        now = self.clock.now()
        pause = min(FIRST_PAUSE_SECONDS * 2**post.tries, LONGEST_PAUSE_SECONDS)
        if now + pause - post.first_at > GIVE_UP_SECONDS:
            self.counts["given_up"] += post.updates
            return
        post.tries += 1
        self.counts["retried"] += 1
        self.clock.at(now + pause, self._due, post)

    def _due(self, post: Post) -> None:
        self._again.append(post)
        self._ready.set()

    async def verify(self, url: str, verify_token: str) -> None:
        """Ask the receiver for its challenge, as Meta does before it takes a webhook's address.

        Raises:
            GraphError: it did not answer 200 with the bare challenge.

        """
        challenge = str(int.from_bytes(hashlib.blake2b(url.encode(), digest_size=4).digest(), "big"))
        asked = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": verify_token}
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS)) as session,
                session.get(url, params=asked, allow_redirects=False) as answer,
            ):
                said = (await answer.text()).strip()
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise unverified(f"it could not be reached ({type(error).__name__})") from error
        if status != 200 or said != challenge:
            raise unverified(f"it answered HTTP {status}" + ("" if status != 200 else ", not the challenge"))


def unverified(why: str) -> GraphError:
    """Return Meta's refusal of a webhook's address."""
    return GraphError(
        2200,
        title=f"Callback verification failed: {why}.",
        http=400,
        extra={"message": f"(#2200) Callback verification failed: {why}."},
    )


def alone(update: Update) -> bytes:
    """Return an update as a change of its own."""
    if update.change:
        return update.change
    contacts = b',"contacts":[%b]' % update.contact if update.contact else b""
    return b'%b%b,"statuses":[%b]}}' % (update.head, contacts, update.status)


def together(updates: list[Update]) -> list[bytes]:
    """Return the changes of updates, with neighbouring statuses of one number in one value."""
    changes = []
    for head, group in groupby(updates, key=lambda update: update.head):
        if not head:
            changes += [update.change for update in group]
            continue
        members = list(group)
        contacts = b",".join(dict.fromkeys(update.contact for update in members if update.contact))
        statuses = b",".join(update.status for update in members)
        changes.append(alone(Update("", head=head, contact=contacts, status=statuses)))
    return changes
