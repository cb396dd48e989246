"""The simulated world: numbers, people, templates, media, messages, time; one object all routes share."""

import asyncio
import hashlib
import random
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

from tocsin_simulator.clock import Clock
from tocsin_simulator.faults import Faults
from tocsin_simulator.ledger import Ledger
from tocsin_simulator.limits import Limits
from tocsin_simulator.people import People
from tocsin_simulator.values import Media, Number, Portfolio, Records, Settings, Template
from tocsin_simulator.webhooks import Webhooks

# What a page may lag behind before it is cut off.
WATCHED_AT_MOST = 1_000


class World:
    """Everything there is. Created anew by a reset."""

    def __init__(self, settings: Settings, *, plan: Any = None, people: list[dict[str, Any]] | None = None) -> None:
        """`plan`: scripted faults; `people`: those a file describes. Raises ValueError."""
        self.settings = settings
        self.clock = Clock(speed=settings.speed)
        self.random = random.Random(settings.seed)  # noqa: S311 - the same seed must decide the same
        self._key = settings.seed.to_bytes(8, "big", signed=True)
        self.address = ""  # http://host:port, once the server listens
        self.portfolio = Portfolio(id=settings.business_id, tier=settings.tier)
        self.numbers: dict[str, Number] = {}
        for place, phone_id in enumerate(settings.phone_ids):
            self.numbers[phone_id] = first_number(phone_id, place, settings)
        self.templates: dict[str, Template] = {}
        self.media: dict[str, Media] = {}
        self.blocked: dict[str, set[str]] = {}  # number's id -> people (digits) we blocked
        self.records = Records()
        self.waba_webhook = ""  # override_callback_uri of subscribed_apps
        self.subscribed = True
        self.people = People(
            seed=settings.seed,
            withhold=settings.withhold,
            manners={"reads": settings.reads, "answers": settings.answers},
        )
        self.ledger = Ledger(keep=settings.keep)
        self.people.load(people or [])
        self.faults = Faults(seed=settings.seed, plan=plan)
        self.limits = Limits()
        self.storms: dict[
            str, tuple[float, int, int]
        ] = {}  # number's id -> until when it is refused, code, HTTP status
        self.webhooks = Webhooks(settings, self.clock, self.faults)
        self.unread: dict[tuple[str, str], deque[str]] = {}  # person, our number -> ids of what they wrote
        self.typing: dict[tuple[str, str], float] = {}  # person, our number -> until when they see that we write
        self.watchers: set[asyncio.Queue[dict[str, Any]]] = set()
        self.again: Callable[[], Awaitable[None]] | None = None  # begins anew
        self.calls = 0  # management calls
        self._ids = count(1)
        self._named: dict[tuple[str, str], str] = {}

    def new_id(self) -> str:
        """Return an id nothing else has: 16 digits, the same in each run with the same seed."""
        return f"{(self.settings.seed * 7_919 + 1) % 9_000 + 1_000}{next(self._ids):012d}"

    @property
    def app_token(self) -> str:
        """Return the application's own access token."""
        return f"{self.settings.app_id}|{self.digest('app token', self.settings.app_secret).hex()[:27]}"

    def digest(self, *key: str | int) -> bytes:
        """Return 32 bytes that follow from the seed and the key alone."""
        return hashlib.blake2b("\0".join(map(str, key)).encode(), digest_size=32, key=self._key).digest()

    def chance(self, *key: str | int) -> float:
        """Return a number in [0, 1) that follows from the seed and the key alone."""
        return int.from_bytes(self.digest(*key)[:7], "big") / 2**56

    def template_named(self, name: str, language: str) -> Template | None:
        """Return the template of that name in that language."""
        # Remembered, for campaigns; a template that was renamed or deleted is looked for again.
        known = self.templates.get(self._named.get((name, language), ""))
        if known is not None and known.name == name and known.language == language:
            return known
        for template in self.templates.values():
            if template.name == name and template.language == language:
                self._named[name, language] = template.id
                return template
        return None

    def emit(self, field: str, value: dict[str, Any], *, phone: str = "") -> None:
        """Queue a webhook update; `phone` is the id of the number it belongs to, if to one."""
        self.webhooks.queue(field, value, url=self.webhook_of(phone, field=field))

    def webhook_of(self, phone: str = "", *, field: str = "messages") -> str:
        """Return where updates of a field go: the number's own address, else the account's, else the application's.

        Empty when they go nowhere: no address, no subscription of the account, or not of this field.
        """
        fields = self.records.subscribed_fields
        if not self.subscribed or (fields and field not in fields):
            return ""
        number = self.numbers.get(phone)
        return (number.webhook if number else "") or self.waba_webhook or self.settings.webhook

    def tell(self, event: dict[str, Any]) -> None:
        """Show an event to the pages that watch; costs nothing when none does."""
        for watcher in list(self.watchers):
            if watcher.qsize() < WATCHED_AT_MOST:
                watcher.put_nowait(event)


def first_number(phone_id: str, place: int, settings: Settings) -> Number:
    """Return one of the numbers the simulator starts with."""
    return Number(
        id=phone_id,
        display=f"+1 555-010-{place + 1:04d}",
        digits=f"1555010{place + 1:04d}",
        name=settings.name,
        level=settings.level,
    )
