"""What messaging hands to others, and what channels hand to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any
from uuid import UUID

from tocsin.customers.values import AddressKind
from tocsin.messaging.states import MessageState

Content = Mapping[str, Any]  # JSON object; its shape is the channel kind's own, and its digest is the message's


class Priority(IntEnum):
    """Which message goes first when not all can."""

    SECURITY = 0  # somebody is in danger
    CONVERSATION = 1  # an answer to somebody who waits
    SERVICE = 2
    BULK = 3  # campaigns


class Purpose(StrEnum):
    """Why we write: decides which objections count. Nobody can opt out of a security notice."""

    SECURITY = "security"
    SERVICE = "service"
    MARKETING = "marketing"
    TEST = "test"


class Reason(StrEnum):
    """Why a message is withheld, failed, retrying or unknown."""

    WINDOW_SHUT = "window_shut"  # nobody wrote to us within 24 h, and no template was given
    OPTED_OUT = "opted_out"
    TOO_LATE = "too_late"  # its time passed before it could be sent
    CANCELLED = "cancelled"  # by a person
    POISONOUS = "poisonous"  # quarantined: it broke its sender again and again
    ADDRESS_GIVEN_UP = "address_given_up"  # somebody else has it now, and nobody knows the new one
    NOT_REACHABLE = "not_reachable"  # the provider knows nobody at this address, or cannot reach them
    REFUSED = "refused"  # the provider will not bring this message
    REFUSED_BY_PERSON = "refused_by_person"  # the person stopped or blocked us, at the provider
    REFUSED_BY_POLICY = "refused_by_policy"  # of the provider, for this person or country
    TEMPLATE_NOT_USABLE = "template_not_usable"
    OUR_MISTAKE = "our_mistake"  # the provider does not accept what we sent
    TOO_MANY_TRIES = "too_many_tries"
    TRY_LATER = "try_later"
    KEY_MISSING = "key_missing"  # what sealed its text is not there
    RATE_LIMITED = "rate_limited"
    LINE_FLAGGED = "line_flagged"  # a campaign: the provider warns of the line, and staff chose that campaigns wait
    LINE_SLOWED = "line_slowed"  # the same, and they go slowly: it has its turn
    NO_ANSWER = "no_answer"  # the bytes left; the line dropped or the time passed
    SENDER_DIED = "sender_died"  # while it held the message
    NO_REPORT = "no_report"  # a person decided after no status ever came


class Verdict(StrEnum):
    """What a provider's refusal means for this message and for the others."""

    RETRY = "retry"  # the same message, after a growing pause, a bounded number of times
    RETRY_FEW = "retry_few"  # the same, at most twice
    SLOW_LINE = "slow_line"  # the line's pace is exceeded: it is lowered
    SLOW_PAIR = "slow_pair"  # too much to this person: 4^X s, for this person only
    HOLD_LINE = "hold_line"  # the number cannot send until somebody mends it
    HOLD_ACCOUNT = "hold_account"  # none of the account's numbers can
    HOLD_TEMPLATE = "hold_template"
    LATER = "later"  # not before a time
    WINDOW_SHUT = "window_shut"  # parked: a template may be sent instead
    DEAD = "dead"  # never for this person on this channel
    STOPPED = "stopped"  # the same, and the person does not want to be written to
    OUR_MISTAKE = "our_mistake"  # never again as it is
    UNKNOWN = "unknown"  # nobody knows whether it was taken


class StatusKind(StrEnum):
    """What a provider says became of a message."""

    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    BOUNCED = "bounced"
    COMPLAINED = "complained"  # the person called it spam


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a channel says of a content before it is queued.

    ``needs_window``: free-form, so only within 24 h of the person's last message; ``fallback`` is then the content of
    a template to be sent instead, or None. ``template`` is ``name/language`` of the one it uses, or empty. ``shown`` is
    its text as the person will see it. ``parts`` is how many the provider counts and charges it as, 0 where it does not
    count so; ``remark`` what whoever sends it should know before, translated, or empty.
    """

    content: Content
    needs_window: bool = False
    fallback: Content | None = None
    template: str = ""
    fallback_template: str = ""
    category: str = ""  # of price: marketing, utility, authentication, service
    shown: str = ""
    parts: int = 0
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """One message to be queued. ``once_key``: of several drafts with the same one only the first is ever queued."""

    channel: str
    address: str
    address_kind: AddressKind
    prepared: Prepared
    priority: Priority = Priority.SERVICE
    purpose: Purpose = Purpose.SERVICE
    person_id: UUID | None = None
    account: str = ""
    once_key: str = ""
    broadcast: str = ""
    reply_to: str = ""  # the provider's id of the inbound message this answers
    not_before_at: datetime | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message as a channel gets it. ``id`` is ours: the provider hands it back in statuses."""

    id: UUID
    address: str
    address_kind: AddressKind
    content: Content
    number: int  # of the attempt, from 1
    purpose: Purpose
    reply_to: str = ""
    other_addresses: Mapping[AddressKind, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took it. ``held``: it keeps it back for now; ``address`` is how it names the person."""

    provider_id: str
    held: bool = False
    address: str = ""


@dataclass(frozen=True, slots=True)
class Channel:
    """A way to send, without its secrets: one telephone number, one sender of mail, one SMS line, one webhook.

    ``line`` is the provider's id of it (phone number id), ``account`` what holds several lines (WABA), ``portfolio``
    what shares a daily limit.
    """

    name: str
    kind: str
    line: str
    account: str
    portfolio: str
    settings: Mapping[str, Any]
    paused_at: datetime | None
    paused_reason: str
    held_until: datetime | None  # None and a reason: until somebody releases it
    held_reason: str
    added_at: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it stands; the text is asked for apart."""

    id: UUID
    channel: str
    address: str  # it was queued for
    address_kind: AddressKind
    state: MessageState
    reason: str
    detail: str
    priority: Priority
    purpose: Purpose
    template: str
    digest: str
    provider_id: str
    person_id: UUID | None
    account: str
    broadcast: str
    tries: int
    queued_at: datetime
    state_at: datetime
    next_try_at: datetime | None
    sent_at: datetime | None
    delivered_at: datetime | None
    read_at: datetime | None
    goes_to: str = ""  # what the address became, where it changed before the message was claimed


@dataclass(frozen=True, slots=True)
class StatusUpdate:
    """A provider's word on one message. ``message_id`` is ours when it was handed back, else ``provider_id`` finds it.

    ``category`` and ``price_type`` are the provider's words of price, or empty, ``market`` what it would be priced by.
    ``addresses``: how it names the person.
    """

    provider_id: str
    status: StatusKind
    at: datetime
    message_id: UUID | None = None
    verdict: Verdict | None = None
    reason: Reason | None = None
    code: int = 0
    detail: str = ""
    category: str = ""
    price_type: str = ""
    line: str = ""
    addresses: Mapping[AddressKind, str] = field(default_factory=dict)
    market: str = ""


@dataclass(frozen=True, slots=True)
class InboundUpdate:
    """A message from a person. ``text`` is what can be shown; ``part`` the provider's object, kept sealed."""

    line: str
    provider_id: str
    addresses: Mapping[AddressKind, str]
    kind: str
    at: datetime
    text: str = ""
    name: str = ""
    part: Mapping[str, Any] = field(default_factory=dict)
    reply_to: str = ""
    media_id: str = ""
    media_type: str = ""
    media_sha256: str = ""
    opens_window: bool = True


@dataclass(frozen=True, slots=True)
class AddressChanged:
    """A person's address became another one: the rows of the old one follow."""

    kind: AddressKind
    before: str
    after: str
    at: datetime
    line: str = ""


@dataclass(frozen=True, slots=True)
class Objection:
    """A person stopped, or resumed, what we send them of one purpose; None means everything but security notices."""

    addresses: Mapping[AddressKind, str]
    purpose: Purpose | None
    stopped: bool
    at: datetime
    line: str = ""


@dataclass(frozen=True, slots=True)
class StandingObjection:
    """What somebody stopped and has not taken back; ``purpose`` None is everything but security notices."""

    kind: AddressKind
    address: str
    purpose: Purpose | None
    reason: str
    since_at: datetime


@dataclass(frozen=True, slots=True)
class TemplateUpdate:
    """What changed about a template; empty strings say nothing of that."""

    account: str
    name: str
    language: str
    provider_id: str
    at: datetime
    status: str = ""
    category: str = ""
    coming_category: str = ""
    quality: str = ""
    reason: str = ""
    components: Sequence[Mapping[str, Any]] | None = None
    parameter_format: str = ""


@dataclass(frozen=True, slots=True)
class LineUpdate:
    """What changed about a line or an account: quality, limits, restrictions.

    ``hold`` stops it until ``hold_until``, or until released. A line can also be named by ``number``, its E.164 number.
    """

    account: str
    line: str
    at: datetime
    facts: Mapping[str, Any]
    hold: bool | None = None
    reason: str = ""
    hold_until: datetime | None = None
    number: str = ""


@dataclass(frozen=True, slots=True)
class Aside:
    """A part of a webhook nobody understands yet: kept and shown, never lost."""

    what: str
    part: Mapping[str, Any]


Update = (
    StatusUpdate | InboundUpdate | AddressChanged | Objection | TemplateUpdate | LineUpdate | Aside
)  # what a webhook's body can hold


@dataclass(frozen=True, slots=True)
class AppSecret:
    """One secret that may have signed; ``good_until`` is None for the one in force."""

    value: str = field(repr=False)
    good_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class App:
    """An outside application whose webhooks come in at the URL that ends with ``id``."""

    id: str
    kind: str
    name: str
    secrets: tuple[AppSecret, ...]
    verify_token: str = field(repr=False)
    made_at: datetime

    def secrets_at(self, moment: datetime) -> tuple[str, ...]:
        """Return the secrets that are good at a moment."""
        return tuple(each.value for each in self.secrets if each.good_until is None or moment < each.good_until)


@dataclass(frozen=True, slots=True)
class IntakeBody:
    """The raw body of one verified webhook, with the headers its reading needs."""

    app: str
    received_at: datetime
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Intake:
    """A webhook's body as it stands; the body itself is asked for apart."""

    id: int
    app: str
    received_at: datetime
    state: str
    tries: int
    reason: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedMessage(Outgoing):
    """A message a sender holds until ``lease_until``. ``digest`` is of the content that goes out.

    ``fallback``: that is the template, because the window is shut.
    """

    claimed_at: datetime
    lease_until: datetime
    digest: bytes
    fallback: bool = False


@dataclass(frozen=True, slots=True)
class Claimed:
    """What one claim brought.

    Message *i* may go out ``first_seconds + i * every_seconds`` from now. ``next_due_at`` is when something may be due
    on the channel again, when nothing is now: None while nobody knows.
    """

    messages: Sequence[ClaimedMessage] = ()
    next_due_at: datetime | None = None
    first_seconds: float = 0.0
    every_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to send a message, as it ended; ``digest`` is of what was sent, in hexadecimal."""

    number: int
    claimed_at: datetime
    begun_at: datetime | None
    answered_at: datetime | None
    state: MessageState
    reason: str
    code: int
    detail: str
    provider_id: str
    fallback: bool
    digest: str


@dataclass(frozen=True, slots=True)
class Status:
    """A provider's word on one message, as it came."""

    status: StatusKind
    at: datetime
    received_at: datetime
    code: int
    detail: str
    category: str
    price_type: str


class Proven(StrEnum):
    """Whether a row is what the journal's entry of its batch was written about."""

    PROVEN = "proven"
    CHANGED = "changed"  # the row, or the batch, is not what the entry says
    NOT_FOUND = "not_found"  # the batch or its entry is not there


@dataclass(frozen=True, slots=True)
class Proof:
    """A row's place in the tree of its batch, checked against the journal's entry.

    ``what`` is ``queued``, ``attempt <number>`` or ``status <word>``; ``leaf`` the bytes that were hashed, ``path`` the
    way to the ``root`` (RFC 6962), hexadecimal. ``entry_number`` is None until the journal has numbered it.
    """

    what: str
    proven: Proven
    leaf: str
    number: int
    size: int
    path: Sequence[str]
    root: str
    entry_id: UUID | None
    entry_number: int | None


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message from a person, without its text."""

    id: UUID
    channel: str
    address: str
    kind: str
    at: datetime
    reply_to: str


@dataclass(frozen=True, slots=True)
class Trace:
    """All that is known of one message: what was tried, what the provider said, what came back, and the proofs."""

    message: Message
    attempts: Sequence[Attempt]
    statuses: Sequence[Status]
    inbound: Sequence[Inbound]
    proofs: Sequence[Proof]
    instead: UUID | None = None  # the message with the template that was queued because this one came too late


@dataclass(frozen=True, slots=True)
class HeldTemplate:
    """A template that holds up messages of a channel, as ``name/language``; with no time: until it is usable again."""

    template: str
    reason: str
    until: datetime | None
    messages: int


@dataclass(frozen=True, slots=True)
class ChannelState:
    """What waits on a channel and what holds it; ``counts`` by state, those of final ones only when asked for.

    ``waits_for`` counts messages that were moved to a later moment, by the reason; ``warning`` is the provider's word
    about the line, ``quality`` its score.
    """

    channel: str
    kind: str
    paused_reason: str
    held_reason: str
    held_until: datetime | None
    counts: Mapping[MessageState, int]
    oldest_due_at: datetime | None
    next_due_at: datetime | None
    per_second: float | None
    templates: Sequence[HeldTemplate] = ()
    waits_for: Mapping[str, int] = field(default_factory=dict)
    warning: str = ""
    quality: str = ""
    restrictions: Sequence[str] = ()
    campaigns: str = ""  # what staff chose for them while the provider warns


@dataclass(frozen=True, slots=True)
class OutboxStatus:
    """The outbox at a moment; ``paused_at`` while the kill switch of all channels is thrown."""

    at: datetime
    paused_at: datetime | None
    paused_reason: str
    channels: Sequence[ChannelState]


@dataclass(frozen=True, slots=True)
class Taken:
    """A webhook's body that was read; ``tries`` counts the earlier ones."""

    id: int
    kind: str
    received_at: datetime
    tries: int
    updates: tuple[Update, ...]
