"""A product that takes measures itself: orders go out as signed JSON, answers come back account by account.

The messages are described in docs/reference/webhook.md. A product answers 200 with results, or 202 and does the work
later; either way only its answer to ``tocsin.verify`` says whether a measure holds.
"""

import hashlib
import json
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, TypeVar
from uuid import uuid4

from yarl import URL

from tocsin.containment.errors import CallbackNotUnderstood
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
    Later,
    Line,
    NoAnswer,
    NotReached,
    Reply,
    Request,
    Wire,
    opened,
    wire_of,
)
from tocsin.integrations.http_calls.moments import from_iso, to_iso
from tocsin.integrations.http_calls.order_by_order import (
    foreseen,
    in_its_words,
    printable_reason,
    refused,
    unreachable,
)
from tocsin.integrations.http_calls.pacing import Pace
from tocsin.integrations.http_calls.settings import HTTP_SETTINGS, Settings
from tocsin.integrations.webhook import inbound, signature
from tocsin.integrations.webhook.addresses import PublicOnly, may_be_public
from tocsin.kernel import clock
from tocsin.kernel.language import gettext as _, gettext_noop

SETTINGS: Mapping[str, str] = {
    "url": gettext_noop("address of the product's webhook"),
    "takes": gettext_noop("measures it takes, a list: [reset_password, revoke_sessions]"),
    "undoes": gettext_noop("measures it can lift again; none if left out"),
    "at_once": gettext_noop("orders in one message; 100 if left out"),
    "allow_private": gettext_noop("yes: the address may lie in your own network"),
    **{name: text for name, text in HTTP_SETTINGS.items() if name != "proxy"},
}
SECRETS: Mapping[str, str] = {
    "secret": gettext_noop("whsec_ and base64 of 24 to 64 random bytes, shared with the product"),
    "old_secret": gettext_noop("the secret before, while it is changed: messages are signed with both"),
}
T = TypeVar("T")
APPLY, VERIFY, UNDO, DONE_SINCE, PING = (
    "tocsin.apply",
    "tocsin.verify",
    "tocsin.undo",
    "tocsin.done_since",
    "tocsin.ping",
)


def connect(name: str, *, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> "Webhook":
    """Return the connector; SystemNotUnderstood says which setting is wrong."""
    given = Settings(name, settings=settings, secrets=secrets, known=SETTINGS, known_secrets=SECRETS)
    url = given.address("url")
    allows_private = given.flag("allow_private", default=False)
    if not allows_private and not may_be_public(URL(url).host or ""):
        raise given.wrong(
            "url", _("it lies in your own network."), mend=_("Set allow_private to yes if that is meant.")
        )
    pace = Pace(
        per_second=None,
        source=_("no limit is documented"),
        ceiling=given.number("per_second", default=None, least=0.01),
    )
    wire = wire_of(given, base=url, paces={"write": pace})
    takes = _kinds(given, "takes")
    return Webhook(
        name,
        wire=wire if allows_private else replace(wire, resolver=PublicOnly),
        keys=_keys(given),
        takes=takes,
        undoes=_kinds(given, "undoes", default="") & takes,
        at_once=int(given.number("at_once", default=100, least=1) or 100),
    )


def _kinds(given: Settings, key: str, *, default: str | None = None) -> frozenset[MeasureKind]:
    words = given.words(key, default=default)
    known = [str(kind) for kind in MeasureKind if kind is not MeasureKind.NONE]
    if not set(words) <= set(known):
        raise given.wrong(key, _("it names a measure there is not."), mend=_("Known: {names}."), names=known)
    return frozenset(MeasureKind(word) for word in words)


def _keys(given: Settings) -> list[bytes]:
    names = ["secret"] + (["old_secret"] if given.has_secret("old_secret") else [])
    found = []
    for name in names:
        try:
            found.append(signature.key_of(given.secret(name)))
        except ValueError:
            raise given.wrong(name, _("it is not whsec_ and base64 of 24 to 64 bytes.")) from None
    return found


class Webhook:
    """One product that speaks the messages of docs/reference/webhook.md."""

    def __init__(
        self,
        name: str,
        *,
        wire: Wire,
        keys: Sequence[bytes],
        takes: frozenset[MeasureKind],
        undoes: frozenset[MeasureKind],
        at_once: int,
    ) -> None:
        self._name, self._wire, self._keys, self._at_once = name, wire, keys, at_once
        self._takes, self._undoes = takes, undoes

    @property
    def name(self) -> str:
        """Return the name staff gave this system."""
        return self._name

    def abilities(self) -> Abilities:
        """Return what staff say the product can do."""
        return Abilities(
            takes=self._takes,
            undoes=self._undoes,
            reads_back=self._takes,
            warnings=(_("What the product says of itself is believed: compare it with its logs."),),
        )

    def limits(self) -> Limits:
        """Return what it allows: one message for many orders."""
        pace = self._wire.paces["write"]
        per_second = None if pace.per_second is None else pace.per_second * self._at_once
        return Limits(per_second, at_once=self._at_once, source=pace.source)

    def plan(self, orders: Sequence[Order]) -> Foreseen:
        """Return what applying would do, as the product answers now."""
        return foreseen(orders, list(self.verify(orders)))

    def apply(self, orders: Sequence[Order]) -> Iterator[Outcome]:
        """Send the orders and yield what the product answers to each."""
        return self._ordered(APPLY, orders, within=self._takes)

    def undo(self, orders: Sequence[Order]) -> Iterator[Outcome]:
        """Ask the product to lift the measures."""
        return self._ordered(UNDO, orders, within=self._undoes)

    def verify(self, orders: Sequence[Order]) -> Iterator[ReadBack]:
        """Ask the product what holds."""

        async def work(emit: Callable[[ReadBack], None]) -> None:
            async with self._opened() as line:
                for chunk in self._chunks(orders):
                    rows: dict[str, dict[str, Any]] = {}
                    reason = _("the product does not say")
                    try:
                        rows = _by_key(self._accepted(await self._post(line, VERIFY, {"orders": _told(chunk)})))
                    except (Later, NoAnswer) as error:
                        reason = str(error)
                    except NotReached as error:
                        raise unreachable(self._name, error) from error
                    for order in chunk:
                        emit(_read_back(order, rows.get(order.key), reason=reason))

        return streamed(work)

    def done_since(self, cursor: str) -> tuple[Sequence[DoneFact], str]:
        """Ask the product what people did since ``cursor``, which it gave us, or an ISO 8601 time, or nothing."""

        async def ask() -> tuple[Sequence[DoneFact], str]:
            async with self._opened() as line:
                told = self._accepted(await self._post(line, DONE_SINCE, {"cursor": cursor})).told()
                facts = inbound.facts_in(told.get("done"), source=self._name, now=clock.now())
                return facts, str(told.get("cursor") or cursor)

        return self._awaited(ask)

    def check(self) -> Sequence[Remark]:
        """Send a ping: the address, the certificate and the secret are right when it is answered 2xx."""

        async def ask() -> Sequence[Remark]:
            async with self._opened() as line:
                self._accepted(await self._post(line, PING, {}))
                return (Remark(Standing.OK, _("it answers a signed message")),)

        return self._awaited(ask)

    def _ordered(self, type: str, orders: Sequence[Order], *, within: frozenset[MeasureKind]) -> Iterator[Outcome]:
        async def work(emit: Callable[[Outcome], None]) -> None:
            for order in orders:
                if order.measure.kind not in within:
                    emit(refused(order, _("this system cannot do that")))
            wanted = [order for order in orders if order.measure.kind in within]
            async with self._opened() as line:
                for chunk in self._chunks(wanted):
                    for outcome in await self._sent(line, type, chunk):
                        emit(outcome)

        return streamed(work)

    async def _sent(self, line: Line, type: str, chunk: Sequence[Order]) -> list[Outcome]:
        keys = hashlib.sha256("\n".join([type, *(order.key for order in chunk)]).encode()).hexdigest()
        try:
            reply = self._accepted(await self._post(line, type, {"orders": _told(chunk)}, id=f"msg_{keys[:32]}"))
            rows = {} if reply.status == 202 else _by_key(reply)
        except Later as later:
            return [Outcome(order, Answer.LATER, str(later), later.seconds) for order in chunk]
        except NoAnswer as lost:
            return [Outcome(order, Answer.UNKNOWN, str(lost)) for order in chunk]
        except NotReached as error:
            raise unreachable(self._name, error) from error
        if reply.status == 202:
            return [Outcome(order, Answer.TAKEN) for order in chunk]
        return [_outcome(order, rows.get(order.key)) for order in chunk]

    async def _post(self, line: Line, type: str, data: Mapping[str, Any], *, id: str = "") -> Reply:
        """Post one message. A repeated deed has the same id, a question a new one each time."""
        message = {"type": type, "timestamp": to_iso(clock.now()), "data": data}
        body = json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            signature.ID: id or f"msg_{uuid4().hex}",
        }
        return await line.send(Request("POST", URL(self._wire.base, encoded=True), body, headers, "write"))

    async def _signed(self, line: Line, request: Request) -> Mapping[str, str]:
        timestamp = int(clock.now().timestamp())
        message = request.headers[signature.ID]
        signed = signature.signature(message, timestamp=timestamp, body=request.body, keys=self._keys)
        return {signature.TIMESTAMP: str(timestamp), signature.SIGNATURE: signed}

    def _accepted(self, reply: Reply) -> Reply:
        if not reply.is_success:
            raise NotReached(_("it refuses our messages, {reason}").format(reason=in_its_words(reply, "")))
        return reply

    def _awaited(self, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        try:
            return awaited(ask)
        except (NotReached, NoAnswer, Later, CallbackNotUnderstood) as error:
            raise unreachable(self._name, error) from error

    def _opened(self) -> AbstractAsyncContextManager[Line]:
        return opened(self._wire, authorise=self._signed)

    def _chunks(self, orders: Sequence[Order]) -> Iterator[Sequence[Order]]:
        return (orders[n : n + self._at_once] for n in range(0, len(orders), self._at_once))


def _told(orders: Sequence[Order]) -> list[dict[str, Any]]:
    """Return the orders as the product reads them."""
    return [
        {
            "key": order.key,
            "account": order.account,
            "measure": str(order.measure.kind),
            "since": to_iso(order.since_at),
            **{name: text for name in ("platform", "version_min", "client") if (text := getattr(order.measure, name))},
        }
        for order in orders
    ]


def _by_key(reply: Reply) -> dict[str, dict[str, Any]]:
    rows = reply.told().get("results")
    if not isinstance(rows, list):
        raise NoAnswer(_("the answer holds no results"))
    return {str(row.get("key")): row for row in rows if isinstance(row, dict)}


def _outcome(order: Order, row: Mapping[str, Any] | None) -> Outcome:
    """Return what the product said of one order; what it left out or said unclearly is unknown."""
    if row is None or row.get("answer") not in set(Answer):
        return Outcome(order, Answer.UNKNOWN, _("the product does not say"))
    wait = row.get("retry_after")
    seconds = float(wait) if isinstance(wait, int | float) and 0 <= wait <= 86_400 else AGAIN_SECONDS
    answer = Answer(str(row["answer"]))
    reason = printable_reason(row.get("reason"), without=order.account)
    return Outcome(order, answer, reason, seconds if answer is Answer.LATER else 0.0)


def _read_back(order: Order, row: Mapping[str, Any] | None, *, reason: str) -> ReadBack:
    if row is None or row.get("holding") not in set(Holding):
        return ReadBack(order, Holding.UNKNOWN, reason=reason)
    told = printable_reason(row.get("reason"), without=order.account)
    return ReadBack(order, Holding(str(row["holding"])), from_iso(row.get("done_at")), told)
