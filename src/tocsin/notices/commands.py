"""Telling people: one message for each, whatever number of their accounts is affected, and never twice."""

from collections import Counter
from collections.abc import Callable, Sequence
from uuid import UUID

from tocsin.customers.values import AddressKind
from tocsin.journal import commands as journal
from tocsin.journal.values import Author
from tocsin.kernel.language import gettext as _
from tocsin.messaging import commands as messaging, queries as messages
from tocsin.messaging.errors import AddressNotUnderstood, ContentNotUnderstood
from tocsin.messaging.ports import Sending
from tocsin.messaging.values import Draft, Prepared
from tocsin.notices.errors import CountDiffers
from tocsin.notices.telling import PeopleToTell
from tocsin.notices.values import Order, Told, ToTell, Untold
from tocsin.notices.wording import Wording
from tocsin.staff import permissions
from tocsin.staff.permissions import Act

EXAMPLES_MAX = 3
IDS_MAX = 100


LeftOut = Callable[[ToTell, Untold], None]


def nobody_asks(_person: ToTell, _reason: Untold) -> None:
    """Keep nothing of who was left out but the counts."""


def tell(
    found: PeopleToTell,
    *,
    wording: Wording,
    order: Order,
    sending: Sending,
    by: Author,
    people: int | None = None,
    left_out: LeftOut = nobody_asks,
) -> Told:
    """Queue a message for everybody who can be told on this channel; in the transaction that joined them.

    ``people`` is the number somebody read before: CountDiffers when it is another one now. Whoever got a message with
    the same label, by this scope or an earlier one that had their accounts already, gets none. ``left_out`` hears of
    each person this channel does not carry a message to.
    """
    told = _Telling(wording=wording, order=order, sending=sending, incident=found.incident, left_out=left_out)
    many = found.people() > messaging.PEOPLE_WITHOUT_SIGNATURE_MAX  # fewer are counted with those of the day before
    permissions.check(Act.SEND_MANY if many else Act.SEND_MESSAGE, by=by)
    for page in found.pages():
        drafts = told.drafts(page)
        told.keep(drafts, messaging.queue_messages(drafts, by=by))
    counts = told.told()
    if people is not None and people != counts.people:
        raise CountDiffers(
            _("There are {n} people now, not {read}.").format(n=counts.people, read=people),
            mend=_("Look again without --people, then give the number you read."),
        )
    if counts.queued and found.incident:
        journal.write(
            verb="notices.people_told",
            subject=f"incident:{found.incident}",
            by=by,
            facts={
                "incident": found.incident,
                "revision": found.revision,
                "channel": order.channel,
                "purpose": order.purpose.value,
                "once": order.once,
                "people": counts.people,
                "queued": counts.queued,
                "known": counts.known,
                "untold": {reason.value: n for reason, n in sorted(counts.untold.items())},
            },
        )
    return counts


def rehearse(
    found: PeopleToTell, *, wording: Wording, order: Order, sending: Sending, left_out: LeftOut = nobody_asks
) -> Told:
    """Do all that ``tell`` does except queueing: every text is made and checked."""
    told = _Telling(wording=wording, order=order, sending=sending, incident=found.incident, left_out=left_out)
    for page in found.pages():
        told.drafts(page)
    return told.told()


class _Telling:
    """Makes the drafts of one telling, and counts."""

    def __init__(self, *, wording: Wording, order: Order, sending: Sending, incident: int, left_out: LeftOut) -> None:
        self.left_out = left_out
        self.wording = wording
        self.order = order
        self.sending = sending
        self.incident = incident
        self.people = 0
        self.queued = 0
        self.known = 0
        self.untold: Counter[Untold] = Counter()
        self.languages: Counter[str] = Counter()
        self.examples: list[str] = []
        self.ids: list[UUID] = []
        self.shown = ""
        self.parts = 0
        self.remarks: list[str] = []
        self.shut = 0
        self.objected = 0
        self._prepared: dict[str, Prepared] = {}
        self._personal = wording.personal()

    def drafts(self, page: Sequence[ToTell]) -> list[Draft]:
        """Return a draft for each person who can be told, and count the others by reason."""
        drafts = [draft for each in page if (draft := self._draft(each)) is not None]
        self._count_shut(drafts)
        people = [(each.address_kind, each.address) for each in drafts]
        self.objected += len(messages.who_objects(people, purpose=self.order.purpose)) if people else 0
        return drafts

    def _count_shut(self, drafts: Sequence[Draft]) -> None:
        """Count those that may only go to people who wrote lately, and did not: known now, and not only afterwards."""
        free = [each.address for each in drafts if each.prepared.needs_window and each.prepared.fallback is None]
        open_ones = messages.addresses_in_window(self.order.channel, free) if free else set()
        self.shut += sum(1 for address in free if address not in open_ones)

    def keep(self, drafts: Sequence[Draft], queued: Sequence[UUID | None]) -> None:
        """Count what became of the drafts."""
        self.known += sum(1 for each in queued if each is None)
        ids = [each for each in queued if each is not None]
        self.queued += len(ids)
        self.ids += ids[: IDS_MAX - len(self.ids)]

    def told(self) -> Told:
        """Return the counts."""
        return Told(
            people=self.people, queued=self.queued, known=self.known, untold=dict(self.untold),
            by_language=dict(self.languages), examples=tuple(self.examples), ids=tuple(self.ids), shown=self.shown,
            parts=self.parts, remarks=tuple(self.remarks), shut=self.shut, objected=self.objected,
        )  # fmt: skip

    def _draft(self, each: ToTell) -> Draft | None:
        address = self._address(each)
        if address is None:
            self.untold[Untold.NO_ADDRESS_HERE] += 1
            self.left_out(each, Untold.NO_ADDRESS_HERE)
            return None
        language = self.wording.language_for(each.person.language)
        try:
            prepared = self._prepare(each, language)
        except ContentNotUnderstood as error:
            self.untold[Untold.NOT_RENDERED] += 1
            self.left_out(each, Untold.NOT_RENDERED)
            if len(self.examples) < EXAMPLES_MAX and error.what not in self.examples:
                self.examples.append(error.what)
            return None
        self.people += 1
        self.shown = self.shown or prepared.shown
        self.parts += prepared.parts
        if prepared.remark and len(self.remarks) < EXAMPLES_MAX and prepared.remark not in self.remarks:
            self.remarks.append(prepared.remark)
        self.languages[language] += 1
        kind, value = address
        order = self.order
        return Draft(
            channel=order.channel, address=value, address_kind=kind, prepared=prepared, priority=order.priority,
            purpose=order.purpose, person_id=each.person.id, account=each.accounts[0].account,
            once_key=self._once_key(each), broadcast=order.broadcast, not_before_at=order.not_before_at,
            expires_at=order.expires_at,
        )  # fmt: skip

    def _once_key(self, each: ToTell) -> str:
        """Return what this message is known by: scope and its revision, purpose, label, person, channel."""
        if not self.order.once:
            return ""
        scope = f"incident:{self.incident}:{each.revision}" if self.incident else "list"
        return ":".join((scope, self.order.purpose.value, self.order.once, str(each.person.id), self.order.channel))

    def _address(self, each: ToTell) -> tuple[AddressKind, str] | None:
        """Return the person's preferred address this channel reaches, in the channel's own form."""
        reaches = list(self.sending.reaches)
        usable = [one for one in each.person.addresses if one.kind in reaches]
        for one in sorted(usable, key=lambda one: (not one.preferred, reaches.index(one.kind))):
            try:
                return one.kind, self.sending.address(one.value, kind=one.kind)
            except AddressNotUnderstood:
                continue
        return None

    def _prepare(self, each: ToTell, language: str) -> Prepared:
        if not self._personal and language in self._prepared:
            return self._prepared[language]
        accounts = [one.account for one in each.accounts]
        content = self.wording.for_person(each.person, accounts=accounts, language=language)
        prepared = self.sending.prepare(content)
        self._prepared[language] = prepared
        return prepared
