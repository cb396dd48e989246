"""`tocsin message send`: to one address, one account, a list of accounts, or everybody an incident affects."""

import asyncio
import csv
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import click

from tocsin.cli import listing, message_shown as shown
from tocsin.cli.acting import Acting, acting
from tocsin.cli.customer import UNTOLD
from tocsin.cli.given import moment
from tocsin.cli.message_content import Said, check_unsubscribing, wording_of
from tocsin.cli.wired import Wired
from tocsin.customers import queries as customers
from tocsin.customers.values import AddressKind
from tocsin.journal.values import Author
from tocsin.kernel import clock
from tocsin.kernel.language import format_number, gettext as _, ngettext
from tocsin.kernel.redaction import csv_cell
from tocsin.messaging import commands as messaging, queries
from tocsin.messaging.errors import AddressNotUnderstood
from tocsin.messaging.ports import Sending
from tocsin.messaging.queries import MessageState
from tocsin.messaging.values import Channel, Draft, Priority, Purpose
from tocsin.notices import commands, queries as notices
from tocsin.notices.queries import PeopleToTell, Wording
from tocsin.notices.values import Order, Reached, Told

LEFT_OUT = 3  # somebody who should be told cannot be
_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
_NEW_FILE = click.Path(path_type=Path, dir_okay=False)
_PRIORITIES = {"security": Priority.SECURITY, "service": Priority.SERVICE, "bulk": Priority.BULK}
_USUAL = {
    Purpose.SECURITY: Priority.SECURITY, Purpose.SERVICE: Priority.SERVICE, Purpose.MARKETING: Priority.BULK,
    Purpose.TEST: Priority.SERVICE,
}  # fmt: skip
_GOES_ON = frozenset({MessageState.QUEUED, MessageState.CLAIMED, MessageState.RETRYING})
LOOK_SECONDS = 0.5
Options = TypeVar("Options")


@dataclass(frozen=True, slots=True)
class Whom:
    """The options that say to whom."""

    to: str
    account: str
    incident: int | None
    revision: int | None
    accounts: Path | None

    def check(self) -> None:
        """Refuse none and several."""
        if sum(map(bool, (self.to, self.account, self.incident, self.accounts))) != 1:
            raise click.UsageError(_("Say to whom: one of --to, --account, --accounts and --incident."))
        if self.revision and not self.incident:
            raise click.UsageError(_("--revision goes with --incident."))

    def people(self) -> AbstractContextManager[PeopleToTell]:
        """Join the accounts with the address book."""
        if self.incident:
            return notices.people_to_tell(self.incident, number=self.revision)
        if self.accounts:
            accounts, attackers = _lines(self.accounts)
            return notices.people_of_list(accounts, attackers=attackers)
        return notices.people_of_list([self.account])


@dataclass(frozen=True, slots=True)
class How:
    """The options that say how and when."""

    purpose: str | None
    priority: str | None
    label: str
    not_before: str | None
    expires: str | None
    people: int | None
    dry_run: bool
    left_out: Path | None
    wait: bool
    seconds: int


@dataclass(frozen=True, slots=True)
class Ready:
    """What is sent, how, and the channel that says how it must look."""

    wording: Wording
    order: Order
    sending: Sending


@click.command("send")
@click.option("--channel", "channel_name", required=True, metavar="NAME", help="On which channel.")
@click.option("--to", default="", metavar="ADDRESS", help="To this address.")
@click.option("--account", default="", help="To the person of this account.")
@click.option(
    "--accounts", type=_FILE, help="To the people of these accounts: one a line, or a CSV with a column account."
)
@click.option("--incident", type=click.IntRange(1), help="To everybody this incident's frozen scope affects.")
@click.option("--revision", type=click.IntRange(1), help="Of this frozen revision; by default the latest.")
@click.option("--text", default="", help="The text. {name}, {account}, {accounts} are filled; {name|...} if empty.")
@click.option("--subject", default="", help="The subject of an e-mail.")
@click.option("--content", type=click.Path(path_type=Path, dir_okay=False), help="JSON; content.fr.json beside it.")
@click.option("--template", default="", metavar="NAME", help="An approved template; with --text, when that may not go.")
@click.option("--language", default="", help="For those whose own language is not there.")
@click.option("--param", "params", multiple=True, metavar="K=V", help="A parameter of the template: 1=... or name=...")
@click.option("--purpose", type=click.Choice([each.value for each in Purpose]), help="Decides whose objections count.")
@click.option("--priority", type=click.Choice(list(_PRIORITIES)), help="Which goes first; by default by the purpose.")
@click.option("--once", "label", default="", metavar="LABEL", help="Nobody gets two messages of one label.")
@click.option("--not-before", metavar="MOMENT", help="Not sent before, e.g. 2026-03-02T09:00+01:00.")
@click.option("--expires", metavar="MOMENT", help="Not sent after.")
@click.option("--people", type=click.IntRange(0), help="How many people it goes to, as you read it in the dry run.")
@click.option("--dry-run", is_flag=True, help="Only say what would be sent, and to how many.")
@click.option("--left-out", type=_NEW_FILE, help="Write the accounts of those who are not written to, as CSV.")
@click.option("--wait", is_flag=True, help="Wait until it is known what became of it.")
@click.option("--seconds", type=click.IntRange(1), default=60, show_default=True, help="Wait so long at most.")
@acting
@click.pass_obj
def send(wired: Wired, /, channel_name: str, acts: Acting, **given: Any) -> int:
    """Queue a message for one person or many. Each person gets one, in their language, on this channel.

    To many people it is a dry run until you repeat the number you read with --people. To more than 100 people within
    24 hours it needs a signature. Repeating the command writes to nobody twice. Ends with 3 when somebody who should
    be told cannot be.
    """
    whom, said, how = _picked(Whom, given), _picked(Said, given), _picked(How, given)
    whom.check()
    with wired.rows(), _opened(wired, channel_name) as (channel, sending):
        wording = wording_of(said, channel=channel)
        order = _order(whom, how=how, channel=channel, wording=wording)
        if order.purpose is Purpose.MARKETING:
            check_unsubscribing(wording, channel=channel)
        ready = Ready(wording, order, sending)
        if whom.to:
            queued, left_out = _to_address(whom.to, ready=ready, dry_run=how.dry_run, acts=acts), False
        else:
            queued, left_out = _to_people(whom, ready=ready, how=how, acts=acts)
        if how.wait and queued:
            left_out |= _wait(queued, seconds=how.seconds, reports=sending.reports)
        elif queued:
            _next_step(queued, channel=channel_name)
    return LEFT_OUT if left_out else 0


def _picked(kind: Callable[..., Options], given: Mapping[str, Any]) -> Options:
    """Return those of the options that belong together."""
    return kind(**{name: given[name] for name in signature(kind).parameters})


@contextmanager
def _opened(wired: Wired, name: str) -> Iterator[tuple[Channel, Sending]]:
    """Open a channel to ask it about addresses and contents; nothing is sent here."""
    channel = queries.channel(name)
    secrets = queries.channel_secrets(name)
    sending = wired.channel(channel.kind, name=name, settings=channel.settings, secrets=secrets)
    try:
        yield channel, sending
    finally:
        asyncio.run(sending.close())


def _order(whom: Whom, *, how: How, channel: Channel, wording: Wording) -> Order:
    """Return how it is sent. Without a label an incident's is ``affected``, a list's the wording itself."""
    meant = Purpose(how.purpose) if how.purpose else Purpose.SECURITY if whom.incident else Purpose.SERVICE
    once = how.label
    if not once and whom.incident:
        once = "affected"
    if not once and whom.accounts:
        said = [{key: part for key, part in each.items() if key != "language"} for each in wording.contents.values()]
        texts = json.dumps(dict(zip(wording.contents, said, strict=True)), sort_keys=True, ensure_ascii=False)
        once = hashlib.sha256(texts.encode()).hexdigest()
    broadcast = f"incident:{whom.incident}:{once}" if whom.incident else f"list:{once}" if whom.accounts else ""
    not_before_at, expires_at = moment(how.not_before), moment(how.expires)
    if expires_at is not None and expires_at <= (not_before_at or clock.now()):
        raise click.UsageError(_("--expires is in the past, or not after --not-before: nothing would be sent."))
    return Order(
        channel=channel.name, purpose=meant, once=once, broadcast=broadcast,
        priority=_PRIORITIES[how.priority] if how.priority else _USUAL[meant],
        not_before_at=not_before_at, expires_at=expires_at,
    )  # fmt: skip


def _to_address(text: str, *, ready: Ready, dry_run: bool, acts: Acting) -> Sequence[UUID]:
    order, wording, sending = ready.order, ready.wording, ready.sending
    kind, address = _address(text, sending)
    person = customers.person_of_address(kind, address)
    language = wording.language_for(person.language if person else "")
    accounts = list(person.accounts) if person else []
    prepared = sending.prepare(wording.for_person(person, accounts=accounts, language=language))
    if dry_run:
        listing.lines(_("To {address}:").format(address=customers.masked(address)), prepared.shown)
        if prepared.parts:
            listing.lines(_("SMS: {n}").format(n=format_number(prepared.parts)))
        if prepared.remark:
            listing.lines(prepared.remark, style="yellow")
        return ()
    draft = Draft(
        channel=order.channel, address=address, address_kind=kind, prepared=prepared, priority=order.priority,
        purpose=order.purpose, person_id=person.id if person else None, account=accounts[0] if accounts else "",
        once_key=f"address:{order.purpose}:{order.once}:{address}:{order.channel}" if order.once else "",
        not_before_at=order.not_before_at, expires_at=order.expires_at,
    )  # fmt: skip
    (queued,) = messaging.queue_messages([draft], by=acts.author())
    if queued is None:
        listing.lines(_("This address has a message with this label already."))
    return () if queued is None else (queued,)


def _address(text: str, sending: Sending) -> tuple[AddressKind, str]:
    refused: AddressNotUnderstood | None = None
    for kind in sending.reaches:
        try:
            return kind, sending.address(text, kind=kind)
        except AddressNotUnderstood as error:
            refused = refused or error
    raise refused or AddressNotUnderstood(_("This channel reaches no address."))


def _to_people(whom: Whom, *, ready: Ready, how: How, acts: Acting) -> tuple[Sequence[UUID], bool]:
    asks = not whom.account and how.people is None
    order, wording, sending, dry_run = ready.order, ready.wording, ready.sending, how.dry_run
    told: Told
    with whom.people() as found, ExitStack() as files:
        reached = found.reached()
        left_out: commands.LeftOut = commands.nobody_asks
        if how.left_out:
            file = files.enter_context(notices.LeftOutFile(how.left_out))
            file.add_nobody(found)
            left_out = file.add
        if dry_run or asks:
            told = commands.rehearse(found, wording=wording, order=order, sending=sending, left_out=left_out)
        else:
            by: Author = acts.author()
            told = commands.tell(
                found, wording=wording, order=order, sending=sending, by=by, people=how.people, left_out=left_out
            )
    _print_told(told, reached=reached, queued=not (dry_run or asks))
    if asks and not dry_run and told.people:
        listing.lines("", _("Nothing was queued. To send it, repeat the command with --people {n}").format(
            n=told.people) + _signature(reached), style="bold")  # fmt: skip
    return told.ids, bool(reached.nobody or told.untold)


def _signature(reached: Reached) -> str:
    return " --as NAME --key FILE" if reached.people > queries.people_without_signature() else ""


def _print_told(told: Told, *, reached: Reached, queued: bool) -> None:
    rows: list[tuple[str, object]] = [(_("people"), format_number(told.people))]
    if queued:
        rows += [(_("messages queued"), format_number(told.queued))]
        if told.known:
            rows.append((_("had theirs already"), format_number(told.known)))
    if len(told.by_language) > 1:
        rows += [(_("in {language}").format(language=name), format_number(n)) for name, n in told.by_language.items()]
    if told.parts and not queued:
        rows.append((_("SMS"), format_number(told.parts)))
    rows += [(_(UNTOLD[reason]), format_number(n)) for reason, n in [*reached.nobody.items(), *told.untold.items()]]
    if reached.attackers:
        rows.append((_("accounts of the intruder, never told"), format_number(reached.attackers)))
    listing.console().print(listing.pairs(rows))
    for remark in told.remarks:
        listing.lines(remark, style="yellow")
    for example in told.examples:
        listing.lines(_("The channel says: {why}").format(why=example), style="yellow")
    if told.objected:
        text = ngettext(
            "{n} person does not want it: it is not sent to them.",
            "{n} people do not want it: it is not sent to them.",
            told.objected,
        )
        listing.lines(text.format(n=format_number(told.objected)), style="yellow")
    if told.shut:
        text = ngettext(
            "{n} person has not written to this number within 24 hours: free text is withheld. Add --template.",
            "{n} people have not written to this number within 24 hours: free text is withheld. Add --template.",
            told.shut,
        )
        listing.lines(text.format(n=format_number(told.shut)), style="yellow")
    if queued and told.known and not told.queued:
        listing.lines(_("Everybody had this message already. For another one, give it a label: --once LABEL"))
    elif told.shown:
        listing.lines("", _("It reads:") if told.people == 1 else _("One of them reads:"), told.shown)


def _sends_nothing(channel: str) -> str:
    """Return that a channel is paused or held, as a sentence; empty when it sends."""
    found = queries.outbox_status()
    stopped = {each.channel for each in found.channels if each.paused_reason or each.held_reason}
    if found.paused_at is None and channel not in stopped:
        return ""
    return _("{channel} sends nothing at present: `tocsin outbox status` says why.").format(channel=channel)


def _next_step(queued: Sequence[UUID], *, channel: str) -> None:
    if len(queued) == 1:
        listing.lines(_("Queued: {id}").format(id=queued[0]))
    if said := _sends_nothing(channel):
        listing.lines(said, style="yellow")
    listing.lines(
        _("`tocsin serve` or `tocsin send` sends it; `tocsin message trace {id}` says what became of it.").format(
            id=queued[0]
        )
    )


def _wait(queued: Sequence[UUID], *, seconds: int, reports: bool) -> bool:
    """Look until it is known what became of every message, or the time is over; say it, and whether one did not go."""
    until = time.monotonic() + seconds
    ends = _GOES_ON | ({MessageState.SENT} if reports else frozenset())
    waiting = list(queued)
    while waiting and time.monotonic() < until:
        waiting = [each for each in waiting if queries.message(each).state in ends]
        if waiting:
            time.sleep(LOOK_SECONDS)
    ended = [queries.message(each) for each in queued]
    for message in ended:
        listing.lines(f"{message.id}  {shown.sentence(message)}")
        if message.state is MessageState.QUEUED:
            said = _sends_nothing(message.channel) or _(
                "Nobody sends at present: run `tocsin serve`, or `tocsin send`."
            )
            listing.lines(said, style="yellow")
    return any(shown.answer(message) is shown.Answer.NO for message in ended)


def _lines(file: Path) -> tuple[Sequence[str], frozenset[str]]:
    """Return the accounts in a file, and those its column ``role`` says are the intruder's.

    One a line, or a CSV with a heading ``account``, such as an investigation's affected.csv, also after a spreadsheet
    wrote it anew: with semicolons or tabs, other columns first, and capitals.
    """
    attackers: list[str] = []
    try:
        lines = [line for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise click.UsageError(_("{file} is no text in UTF-8.").format(file=file)) from error
    for delimiter in ",;\t":
        heading = [cell.strip().casefold() for cell in next(csv.reader(lines[:1], delimiter=delimiter), [])]
        if "account" in heading:
            first = heading.index("account")
            place = heading.index("role") if "role" in heading else len(heading)
            rows = [
                row for row in csv.reader(lines[1:], delimiter=delimiter) if "".join(row[first : first + 1]).strip()
            ]
            roles = ["".join(row[place : place + 1]).strip().casefold() for row in rows]
            lines = [_plain(row[first].strip()) for row in rows]
            attackers = [account for account, role in zip(lines, roles, strict=True) if role == "attacker"]
            break
    else:
        lines = [line.strip() for line in lines]
    if not lines:
        raise click.UsageError(_("{file} names no account.").format(file=file))
    return list(dict.fromkeys(lines)), frozenset(attackers)


def _plain(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and csv_cell(cell[1:]) == cell else cell
