"""Looking whether a number can be used: token, rights, number, webhooks, templates; each fault with its mend."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from tocsin.integrations.whatsapp.access import MANAGES, SENDS, Access, TokenFacts
from tocsin.integrations.whatsapp.numbers import NumberFacts, Numbers
from tocsin.integrations.whatsapp.settings import LEVELS
from tocsin.integrations.whatsapp.templates import APPROVED, ARCHIVED, Templates
from tocsin.kernel import clock
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import format_date, format_number, gettext as _, ngettext
from tocsin.kernel.remarks import Remark, Standing
from tocsin.messaging.values import TemplateUpdate

SOON = timedelta(days=30)
NAMES_APPROVED = frozenset({"APPROVED", "AVAILABLE_WITHOUT_REVIEW"})
GOOD_QUALITY = frozenset({"GREEN", "UNKNOWN", "NA", ""})
OK, WARNING, FAULT = Standing.OK, Standing.WARNING, Standing.FAULT


@dataclass
class Looked:
    """What was found. ``token``, ``number`` and ``templates`` are None where Meta could not be asked."""

    remarks: list[Remark] = field(default_factory=list)
    token: TokenFacts | None = None
    number: NumberFacts | None = None
    templates: Sequence[TemplateUpdate] | None = None

    def say(self, standing: Standing, text: str, mend: str = "") -> None:
        """Add one remark."""
        self.remarks.append(Remark(standing, text, mend))

    @property
    def faulty(self) -> bool:
        """Say whether messages would not go out."""
        return any(remark.standing is FAULT for remark in self.remarks)


async def looked_at(*, access: Access, numbers: Numbers, templates: Templates, line: str, account: str) -> Looked:
    """Look at everything once; one thing that cannot be asked does not keep the others from being looked at."""
    found = Looked()

    async def token() -> None:
        found.token = await access.token()
        _say_token(found, found.token, account=account)

    async def number() -> None:
        _say_number(found, await numbers.every(), line=line)

    async def business() -> None:
        facts = await access.account_facts()
        _say_account(found, str(facts.get("name", "")), str(facts.get("account_review_status", "")))

    async def webhooks() -> None:
        app = found.token.app if found.token else ""
        apps = [each.app for each in await access.subscriptions()]
        if app in apps if app else apps:
            found.say(OK, _("Webhooks of this account come to the application."))
        else:
            found.say(
                WARNING,
                _("The application does not get the webhooks of this account: no status, no answer would arrive."),
                _("Set the callback address in Meta's console, then `tocsin whatsapp subscribe NAME`."),
            )

    async def wordings() -> None:
        found.templates = await templates.every()
        _say_templates(found, found.templates)

    await _looked(found, token)
    if found.faulty and (found.token is None or not found.token.is_valid):
        return found  # nothing else can be asked with it
    for look in (business, number, webhooks, wordings):
        await _looked(found, look)
    return found


async def _looked(found: Looked, look: Callable[[], Awaitable[None]]) -> None:
    try:
        await look()
    except TocsinError as error:
        found.say(FAULT, error.what, error.mend)


def _say_token(found: Looked, token: TokenFacts, *, account: str) -> None:
    make = _("Make a token of a system user in Meta's business settings, with both WhatsApp rights.")
    if not token.is_valid:
        found.say(FAULT, _("The token is not valid: {words}").format(words=token.fault or "-"), make)
        return
    if token.expires_at is None:
        found.say(OK, _("The token is valid and does not run out."))
    else:
        standing = WARNING if token.expires_at - clock.now() < SOON else OK
        told = _("The token is valid until {day}.").format(day=format_date(token.expires_at))
        found.say(standing, told, _("A token of a system user need not run out.") if standing is WARNING else "")
    for scope in (SENDS, MANAGES):
        granted = token.accounts.get(scope)
        if scope not in token.scopes:
            found.say(FAULT, _("The token lacks the right {scope}.").format(scope=scope), make)
        elif granted and account not in granted:
            told = _("The token's right {scope} is not for this account.").format(scope=scope)
            found.say(FAULT, told, _("Assign the account to the system user in Meta's business settings."))
        else:
            found.say(OK, _("The token has the right {scope}.").format(scope=scope))


def _say_account(found: Looked, name: str, review: str) -> None:
    if review and review != APPROVED:
        told = _("Meta's review of the account {name} says {status}.").format(name=name, status=review)
        found.say(WARNING, told, _("Look into Meta's business settings."))
    else:
        found.say(OK, _("The account is {name}.").format(name=name))


def _say_number(found: Looked, numbers: Sequence[NumberFacts], *, line: str) -> None:
    found.number = number = next((each for each in numbers if each.id == line), None)
    if number is None:
        ids = ", ".join(f"{each.id} ({each.number})" for each in numbers) or "-"
        found.say(
            FAULT, _("The account has no number of this id."), _("Its numbers are: {numbers}.").format(numbers=ids)
        )  # fmt: skip
        return
    if number.status not in {"CONNECTED", ""}:
        found.say(
            FAULT,
            _("The number {number} is {status}.").format(number=number.number, status=number.status),
            _("Register it: tocsin whatsapp number register NAME."),
        )
    else:
        found.say(OK, _("The number is {number}.").format(number=number.number))
    _say_name(found, number)
    if number.quality in GOOD_QUALITY:
        found.say(OK, _("Its quality is {word}.").format(word=number.quality or "-"))
    else:
        told = _("Its quality is {word}: people block or report it.").format(word=number.quality)
        found.say(WARNING, told, _("Send less, and only what people asked for."))
    pace = format_number(number.per_second)
    level = number.level if number.level in LEVELS else f"{number.level or '-'}"
    found.say(OK, _("It may send {n} messages a second ({level}).").format(n=pace, level=level))
    _say_tier(found, number)
    if number.can_send in {"LIMITED", "BLOCKED"}:
        standing = FAULT if number.can_send == "BLOCKED" else WARNING
        found.say(
            standing, _("Meta says about its health: {word}.").format(word=number.can_send), " ".join(number.faults)
        )


def _say_name(found: Looked, number: NumberFacts) -> None:
    if number.name and number.name_status in NAMES_APPROVED | {""}:
        found.say(OK, _("People see the name {name}.").format(name=number.name))
        return
    told = _("The display name {name} is not approved: {status}.")
    found.say(
        WARNING,
        told.format(name=number.name or "-", status=number.name_status or "-"),
        _("Ask for another one in WhatsApp Manager; until then people see the number."),
    )


def _say_tier(found: Looked, number: NumberFacts) -> None:
    most = number.people_per_day
    if most is None:
        found.say(OK, _("It may begin to write to any number of people a day."))
        return
    told = _("It may begin to write to {n} people in 24 hours ({tier}).")
    said = told.format(n=format_number(most), tier=number.tier or "-")
    small = most <= 2_000
    mend = _("Verify the business, and write to more people with good quality: Meta raises it within hours.")
    found.say(WARNING if small else OK, said, mend if small else "")


def _say_templates(found: Looked, templates: Sequence[TemplateUpdate]) -> None:
    approved = sum(each.status == APPROVED for each in templates)
    if approved:
        told = ngettext("{n} template is approved.", "{n} templates are approved.", approved)
        found.say(OK, told.format(n=format_number(approved)))
    else:
        found.say(
            WARNING,
            _("No template is approved: only people who wrote within 24 hours can be written to."),
            _("Make one: tocsin whatsapp templates create."),
        )
    archived = [f"{each.name}/{each.language}" for each in templates if each.status == ARCHIVED]
    if archived:
        found.say(
            WARNING,
            _("Archived, and deleted by Meta 28 days later: {names}.").format(names=", ".join(archived)),
            _("Take them out again: tocsin whatsapp templates unarchive."),
        )
    other = [f"{each.name}/{each.language} ({each.status})" for each in templates if each.status not in _QUIET]
    if other:
        found.say(WARNING, _("Not to be sent: {names}.").format(names=", ".join(other)))


_QUIET = frozenset({APPROVED, ARCHIVED, "DELETED", "PENDING_DELETION"})
