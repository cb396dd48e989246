"""What a refusal means for all the other messages: slower lines and pairs, held channels and templates, objections.

What it means for the refused message itself is settled with it.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction

from tocsin.kernel.loading import lazily
from tocsin.messaging import addressing, objecting, pacing
from tocsin.messaging.channels import hold_channel
from tocsin.messaging.errors import NoSuchChannel
from tocsin.messaging.following import Followed
from tocsin.messaging.values import Purpose, Verdict

models = lazily("tocsin.messaging.models")

_MESSAGES = """
SELECT message.id, message.channel, channel.kind, channel.account, message.address, message.address_kind,
       coalesce(nullif(channel.portfolio, ''), nullif(channel.account, ''), channel.name), message.template,
       message.queued_at, message.purpose = 'marketing' OR message.category = 'marketing'
  FROM tocsin_outboundmessage message JOIN tocsin_messagingchannel channel ON channel.name = message.channel
 WHERE message.id = ANY(%s::uuid[])
"""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal of one message. ``complained``: the person called it spam, so that every purpose is meant.

    ``at`` is when it was said, where that was before it is taken.
    """

    message_id: UUID
    verdict: Verdict
    reason: str
    code: int = 0
    wait_seconds: float | None = None
    complained: bool = False
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Refused:
    """A refusal beside what its row says."""

    refusal: Refusal
    per_second: float | None
    now: datetime
    channel: str
    kind: str
    account: str
    address: str  # of the person it was queued for, now; empty: given up
    address_kind: str
    portfolio: str
    template: str
    queued_at: datetime
    marketing: bool

    @property
    def until(self) -> datetime | None:
        wait = self.refusal.wait_seconds
        return None if wait is None else self.now + timedelta(seconds=wait)

    @property
    def words(self) -> str:
        return f"{self.refusal.reason} {self.refusal.code or ''}".strip()


def take_refusals(refusals: Sequence[Refusal], *, per_second: float | None = None, now: datetime) -> None:
    """Do what refusals mean for other messages, each thing once; ``per_second`` is the limit of their line."""
    meant = {refusal.message_id: refusal for refusal in refusals if refusal.verdict in MEANT}
    if not meant:
        return
    with transaction.atomic():
        done: set[tuple[str, ...]] = set()
        beside = _beside_rows(meant, per_second=per_second, now=now)
        objecting.keep_stops([_stop(each) for each in beside if _is_stop(each) and each.address])
        others = [each for each in beside if not _is_stop(each)]
        for refused in sorted(others, key=lambda each: _ORDER[each.refusal.verdict]):
            about, act = _MEANINGS[refused.refusal.verdict]
            key = (refused.refusal.verdict, *(str(getattr(refused, name)) for name in about))
            if key not in done:
                done.add(key)
                act(refused, others)


def _beside_rows(meant: dict[UUID, Refusal], *, per_second: float | None, now: datetime) -> list[_Refused]:
    with connection.cursor() as cursor:
        cursor.execute(_MESSAGES, [list(meant)])
        rows = cursor.fetchall()
    # In one order, so that two senders that hold the same lines do not wait for each other.
    found = [_Refused(meant[row[0]], per_second, now, *row[1:]) for row in sorted(rows, key=lambda row: row[1:5])]
    known = Followed((each.portfolio, each.address_kind, each.address) for each in found)
    return [
        replace(
            each, address=known.of_queued(each.portfolio, each.address_kind, each.address, queued_at=each.queued_at)
        )
        for each in found
    ]


def _is_stop(refused: _Refused) -> bool:
    return refused.refusal.verdict is Verdict.STOPPED


def _slow_line(refused: _Refused, _others: Sequence[_Refused]) -> None:
    pacing.line_refused(refused.channel, per_second=refused.per_second, wait_seconds=refused.refusal.wait_seconds)


def _slow_pairs(refused: _Refused, others: Sequence[_Refused]) -> None:
    """Slow down all pairs of a channel that were refused, each once, under the name its person is counted by."""
    pairs = {
        (each.address_kind, each.address) for each in others
        if each.refusal.verdict is Verdict.SLOW_PAIR and each.channel == refused.channel and each.address
    }  # fmt: skip
    names = addressing.other_addresses(refused.portfolio, sorted(pairs))
    people = {addressing.one_name(kind, address, others=names) for kind, address in pairs}
    pacing.lock_lines([refused.channel])
    pacing.pairs_refused(refused.channel, sorted(people), now=refused.now)


def _hold_line(refused: _Refused, _others: Sequence[_Refused]) -> None:
    with suppress(NoSuchChannel):  # removed since
        hold_channel(refused.channel, until=refused.until, reason=refused.words)


def _hold_account(refused: _Refused, _others: Sequence[_Refused]) -> None:
    found = models.MessagingChannel.objects.filter(kind=refused.kind, account=refused.account)
    names = found.order_by("name").values_list("name", flat=True) if refused.account else [refused.channel]
    for name in names:
        with suppress(NoSuchChannel):
            hold_channel(name, until=refused.until, reason=refused.words)


def _hold_template(refused: _Refused, _others: Sequence[_Refused]) -> None:
    name, _slash, language = refused.template.partition("/")
    if name:
        held = {"held_until": refused.until, "held_reason": refused.words}
        models.MessageTemplate.objects.update_or_create(
            account=refused.account, name=name, language=language, defaults=held,
            create_defaults={**held, "status": "", "seen_at": refused.now},
        )  # fmt: skip


def _stop(refused: _Refused) -> objecting.Stop:
    """A person stopped us: for marketing when that is what they got, else for everything but security."""
    only_marketing = refused.marketing and not refused.refusal.complained
    return objecting.Stop(
        refused.address_kind, refused.address, Purpose.MARKETING.value if only_marketing else "",
        refused.words, min(refused.refusal.at or refused.now, refused.now),
    )  # fmt: skip


# Verdict -> what it is about (done once per each), and what is done; paces before what holds, as claims lock them.
_MEANINGS: dict[Verdict, tuple[Collection[str], Callable[[_Refused, Sequence[_Refused]], None]]] = {
    Verdict.SLOW_LINE: (("channel",), _slow_line),
    Verdict.SLOW_PAIR: (("channel",), _slow_pairs),
    Verdict.HOLD_LINE: (("channel",), _hold_line),
    Verdict.HOLD_ACCOUNT: (("kind", "account"), _hold_account),
    Verdict.HOLD_TEMPLATE: (("account", "template"), _hold_template),
}
_ORDER = {verdict: place for place, verdict in enumerate(_MEANINGS)}
MEANT = frozenset({*_MEANINGS, Verdict.STOPPED})
PACES = frozenset({Verdict.SLOW_LINE, Verdict.SLOW_PAIR})  # what changes nothing but paces
