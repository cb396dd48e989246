"""The wordings a provider approved, as it described them last, and what holds them.

Every fact carries the time the provider gave it, so that an older word, come late, never wins.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from tocsin.journal import commands as journal
from tocsin.journal.values import MACHINE, Author
from tocsin.kernel import clock
from tocsin.kernel.loading import lazily
from tocsin.messaging.going_on import go_on
from tocsin.messaging.values import Reason, TemplateUpdate

models = lazily("tocsin.messaging.models")

# What a template cannot be sent with (Meta sends approved ones only); a status we do not know holds nothing.
HOLDING = frozenset(
    {
        "PENDING", "REJECTED", "PAUSED", "DISABLED", "IN_APPEAL", "LOCKED", "LIMIT_EXCEEDED", "ARCHIVED", "DELETED",
        "PENDING_DELETION",
    }
)  # fmt: skip
RELEASING = frozenset({"APPROVED", "REINSTATED", "UNARCHIVED"})
# Nobody may overlook these: a template of need is idle by nature, is archived for that, and deleted 28 days later.
LOUD = frozenset({"PAUSED", "DISABLED", "ARCHIVED", "FLAGGED", "REJECTED", "PENDING_DELETION", "DELETED", "LOCKED"})
_BY_STATUS = "template_"  # what a hold's reason begins with when a status made it, and a status may lift it
_FACTS = ("status", "category", "coming_category", "quality", "reason", "parameter_format", "provider_id")
_LOG = logging.getLogger("tocsin.messaging")


@dataclass(frozen=True, slots=True)
class Template:
    """A template as it stands; ``held_reason`` says why it is not to be sent with, if so."""

    account: str
    name: str
    language: str
    provider_id: str
    status: str
    category: str
    coming_category: str
    quality: str
    reason: str
    parameter_format: str
    components: Sequence[Mapping[str, Any]]
    held_until: datetime | None
    held_reason: str
    seen_at: datetime

    @property
    def is_approved(self) -> bool:
        """Whether the provider sends with it: approved, or approved again after it was disabled or archived."""
        return self.status.upper() in RELEASING


def normal_language(code: str) -> str:
    """Return a language as the provider's API writes it: webhooks say ``en-US`` for ``en_US``."""
    return code.replace("-", "_")


def save_templates(account: str, templates: Iterable[TemplateUpdate], *, complete: bool) -> int:
    """Keep what the provider lists of an account and return how many; of a complete list the missing are deleted."""
    listed = list(templates)
    with transaction.atomic():
        keep(listed)
        if complete:
            at = max((each.at for each in listed), default=clock.now())
            there = {(each.name, normal_language(each.language)) for each in listed}
            for row in models.MessageTemplate.objects.filter(account=account).exclude(status="DELETED"):
                if (row.name, row.language) not in there and row.seen_at <= at:
                    gone = TemplateUpdate(account, row.name, row.language, row.provider_id, at, status="DELETED")
                    keep([gone])
    return len(listed)


def keep(told: Iterable[TemplateUpdate]) -> None:
    """Keep what was told of templates, hold those that cannot be sent with, and release those that can again."""
    for each in sorted(told, key=lambda one: (one.account, one.name, one.language, one.at)):
        with transaction.atomic():
            row = _row(each)
            before = (row.status, row.held_reason)
            _tell(row, each)
            row.save()
            if before != (row.status, row.held_reason):
                _record(row, status_before=before[0])
            if before[1] and not row.held_reason:
                found = models.MessagingChannel.objects.filter(account=row.account).values_list("name", flat=True)
                named = f"{row.name}/{row.language}"
                go_on(found, reason=Reason.TEMPLATE_NOT_USABLE, at=clock.now(), template=named)


def hold_template(
    account: str, template: str, *, until: datetime | None, reason: str, by: Author = MACHINE
) -> None:  # fmt: skip
    """Send nothing more with a template (``name/language``) until a moment, or until it is approved again."""
    name, _, language = template.partition("/")
    with transaction.atomic():
        row = _row(TemplateUpdate(account, name, language, "", clock.now()))
        begins = not row.held_reason
        row.held_until, row.held_reason = until, reason
        row.save()
        if begins:  # once, not for each refused message
            facts = {"account": account, "template": template, "reason": reason}
            journal.write(verb="messaging.template_held", subject=f"message_template:{name}", by=by, facts=facts)


def templates(account: str = "") -> tuple[Template, ...]:
    """Return the templates of an account, or of all, by name and language."""
    found = models.MessageTemplate.objects.order_by("account", "name", "language")
    return tuple(_template_of(row) for row in (found.filter(account=account) if account else found))


def template(account: str, name: str, language: str) -> Template | None:
    """Return one template, or None when nobody has told of it."""
    row = models.MessageTemplate.objects.filter(
        account=account, name=name, language=normal_language(language)
    ).first()  # fmt: skip
    return _template_of(row) if row else None


def _row(told: TemplateUpdate) -> Any:
    """Return the row of a template, locked, or a new one; some words name it by the provider's id alone."""
    language = normal_language(told.language)
    named = {"name": told.name, "language": language}
    if told.provider_id and not (told.name and told.language):
        named = {"provider_id": told.provider_id}
    found = models.MessageTemplate.objects.select_for_update().filter(**named, account=told.account)
    row = found.order_by("id").first()
    if row is None:
        made, _made = models.MessageTemplate.objects.get_or_create(
            account=told.account, name=told.name, language=language, defaults={"status": "", "seen_at": told.at}
        )
        row = models.MessageTemplate.objects.select_for_update().get(id=made.id)
    return row


def _tell(row: Any, told: TemplateUpdate) -> None:
    said = {fact: getattr(told, fact) for fact in _FACTS if getattr(told, fact)}
    if told.status and not told.reason:
        said["reason"] = ""  # a new status ends what was the reason of the one before
    if told.category and not told.coming_category:
        said["coming_category"] = ""
    for fact, value in said.items():
        if _is_newer(row, fact, value=value, at=told.at):
            setattr(row, fact, value)
    if "status" in said and row.told_at["status"] == told.at.isoformat():
        _hold(row)
    if told.components is not None and _is_newer(row, "components", value="", at=told.at):
        row.components = [dict(each) for each in told.components]
    row.seen_at = max(row.seen_at, told.at)


def _is_newer(row: Any, fact: str, *, value: str, at: datetime) -> bool:
    """Say whether a fact is newer than the one kept, and keep its time; of two at once the greater text counts."""
    before = row.told_at.get(fact)
    stamp = at.isoformat()
    if before is not None:
        kept_at = datetime.fromisoformat(before)
        if at < kept_at or (at == kept_at and value <= str(getattr(row, fact))):
            return False
    row.told_at[fact] = stamp
    return True


def _hold(row: Any) -> None:
    """Let a new status hold or release; one we do not know ends only what another status held."""
    if row.status in HOLDING:
        row.held_until, row.held_reason = None, f"{_BY_STATUS}{row.status.lower()}"
    elif row.status in RELEASING or (
        row.held_reason.startswith(_BY_STATUS) and not row.held_reason.startswith(Reason.TEMPLATE_NOT_USABLE)
    ):
        row.held_until, row.held_reason = None, ""


def _record(row: Any, *, status_before: str) -> None:
    facts = {
        "account": row.account, "template": f"{row.name}/{row.language}", "status": row.status,
        "status_before": status_before, "held": row.held_reason,
    }  # fmt: skip
    journal.write(verb="messaging.template_changed", subject=f"message_template:{row.name}", by=MACHINE, facts=facts)
    if row.status in LOUD:
        _LOG.warning("template %s/%s is %s: nothing can be sent with it now", row.name, row.language, row.status)


def _template_of(row: Any) -> Template:
    return Template(
        account=row.account, name=row.name, language=row.language, provider_id=row.provider_id, status=row.status,
        category=row.category, coming_category=row.coming_category, quality=row.quality, reason=row.reason,
        parameter_format=row.parameter_format, components=row.components, held_until=row.held_until,
        held_reason=row.held_reason, seen_at=row.seen_at,
    )  # fmt: skip
