"""Telling two people of the simulated company: one on WhatsApp, one by mail, over the doors real work goes through."""

import csv
import itertools
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from uuid import UUID

from tocsin.customers import commands as customer_commands, queries as customers
from tocsin.customers.values import AddressKind
from tocsin.journal import commands as journal
from tocsin.journal.values import Author
from tocsin.kernel import language
from tocsin.kernel.language import gettext as _, gettext_noop
from tocsin.messaging import commands as messaging, queries as outbox
from tocsin.messaging.ports import Sending
from tocsin.messaging.states import RANK, MessageState
from tocsin.messaging.values import Draft, Priority, Purpose
from tocsin.rehearsals import address_book
from tocsin.rehearsals.address_book import Listener
from tocsin.rehearsals.errors import RehearsalStuck
from tocsin.rehearsals.ports import World, WorldSecrets
from tocsin.rehearsals.values import Told
from tocsin.scopes import queries as scopes
from tocsin.scopes.values import Revision

PHONE, MAIL = "whatsapp", "mail"  # the names of the two channels
PATIENCE_SECONDS = 120.0  # of a machine that does much else; it takes about a second
LOOK_SECONDS = 0.1
NEIGHBOURS = 2_000  # people who are not affected, in the address book beside those who are
_BEFORE = gettext_noop("Hi, which of my devices are signed in?")
_ANSWER = gettext_noop("Thank you for telling me. Was my card seen?")
_TEXT = gettext_noop(
    "{company} security: somebody who had stolen a colleague's access opened your account record on {day}. "
    "We ended your sessions; the app will ask you for a new password. We never send a link for that. "
    "Questions? Answer here."
)
_SUBJECT = gettext_noop("Please update {company} on your Android phone")
_BODY = gettext_noop(
    "Hello {name},\n\nthe key with which our Android app was signed was read by an intruder on {day}. Your account was "
    "not opened. To be safe, the app asks you to update it and to sign in again; open it from your app store as "
    "always. We never send a link for that.\n\nThe security team of {company}"
)


def world_secrets() -> WorldSecrets:
    """Return what the simulated world and our channels agree on."""
    return WorldSecrets(*(secrets.token_urlsafe(24) for _each in range(3)))


def write_address_book(path: Path, *, revision: Revision, accounts: Path) -> int:
    """Write the company's address book: everybody affected and some who are not; return how many people it has."""
    affected = {row["account"]: row["country"] for row in scopes.affected_rows(revision, limit=1_000_000)}
    with accounts.open(encoding="utf-8", newline="") as handle:
        others = (row["account"] for row in csv.DictReader(handle) if row["account"] not in affected)
        neighbours = [(account, "") for account in itertools.islice(others, NEIGHBOURS)]
    return address_book.write(path, accounts=[*affected.items(), *neighbours])


def import_address_book(path: Path, *, by: Author) -> None:
    """Bring the address book in."""
    customer_commands.import_customers(path, country="", by=by)


def chosen(revision: Revision) -> tuple[Listener, Listener] | None:
    """Return who is told in the demo: the likeliest victim with a telephone, and a French-speaking one by mail.

    None when the incident has no two people to tell: accounts of attackers are never written to.
    """
    rows = [row for row in scopes.affected_rows(revision, limit=5_000) if row["role"] != "attacker"]
    people = [address_book.listener(row["account"], country=row["country"]) for row in rows]
    phone = next((each for each in people if each.phone), None)
    by_mail = [each for each in people if each.email and each is not phone]
    if phone is None or not by_mail:
        return None
    return phone, next((each for each in by_mail if each.language == "fr"), by_mail[0])


def tell_two(
    world: World,
    *,
    people: tuple[Listener, Listener],
    sendings: Mapping[str, Sending],
    company: str,
    at: datetime,
    by: Author,
) -> tuple[Told, Told]:
    """Write to two affected people, wait until both have read or received it, and let the first one answer.

    ``sendings`` are the two channels by name; somebody must be sending and receiving meanwhile (`tocsin serve`).
    """
    phone, mail = people
    with language.use(phone.language):
        before, answer = _(_BEFORE), _(_ANSWER)
    world.post("say", {"from": phone.phone, "name": phone.name, "text": before})
    _until(lambda: outbox.window_open(PHONE, phone.phone), awaited=_("her own first message"))
    with language.use(phone.language):
        text = _(_TEXT).format(company=company, day=language.format_date(at))
    with language.use(mail.language):
        subject = _(_SUBJECT).format(company=company)
        body = _(_BODY).format(name=mail.name, day=language.format_date(at), company=company)
    drafts = [
        _draft(phone, channel=PHONE, content={"type": "text", "text": {"body": text}}, sending=sendings[PHONE]),
        _draft(mail, channel=MAIL, content={"subject": subject, "text": body}, sending=sendings[MAIL]),
    ]
    first, second = (each for each in messaging.queue_messages(drafts, by=by) if each is not None)
    _until(lambda: _arrived(first, least=MessageState.DELIVERED), awaited=_("the message on her phone"))
    world.post("read", {"callback": str(first)})
    world.post("answer", {"callback": str(first), "text": answer})
    _until(lambda: _arrived(first, least=MessageState.READ) and outbox.trace(first).inbound, awaited=_("her answer"))
    _until(lambda: _arrived(second, least=MessageState.SENT), awaited=_("the mail"))
    journal.number_entries()
    told = outbox.trace(first)
    came = outbox.inbound_body(told.inbound[-1].id) or {}
    return (
        Told(phone.name, phone.phone, PHONE, "", text, told, before=before, answer=str(came.get("text", ""))),
        Told(mail.name, mail.email, MAIL, subject, body, outbox.trace(second)),
    )


def _draft(who: Listener, *, channel: str, content: Mapping[str, Any], sending: Sending) -> Draft:
    kind, value = (AddressKind.PHONE, who.phone) if channel == PHONE else (AddressKind.EMAIL, who.email)
    known = customers.person_of_account(who.account)
    return Draft(
        channel=channel,
        address=sending.address(value, kind=kind),
        address_kind=kind,
        prepared=sending.prepare(content),
        priority=Priority.SECURITY,
        purpose=Purpose.SECURITY,
        person_id=known.id if known else None,
        account=who.account,
        once_key=f"demo:{who.account}",
    )


def _arrived(message: UUID, *, least: MessageState) -> bool:
    state = outbox.message(message).state
    return state is not MessageState.WITHHELD and RANK[state] >= RANK[least]


def _until(look: Callable[[], object], *, awaited: str) -> None:
    """Wait until it is so; RehearsalStuck, naming what was awaited, when it is not after all patience."""
    ends = monotonic() + PATIENCE_SECONDS
    while not look():
        if monotonic() > ends:
            raise RehearsalStuck(
                _("The rehearsal's messages did not arrive in time."),
                where=awaited,
                mend=_("Is the machine very busy? Run it again."),
            )
        sleep(LOOK_SECONDS)
