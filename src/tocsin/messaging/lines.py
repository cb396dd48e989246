"""What a provider says of a line or of an account of lines: quality, limits, restrictions; what must stop stops."""

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from tocsin.journal import commands as journal
from tocsin.journal.values import MACHINE
from tocsin.kernel import clock
from tocsin.kernel.loading import lazily
from tocsin.messaging.going_on import go_on
from tocsin.messaging.values import LineUpdate, Reason

models = lazily("tocsin.messaging.models")

_TOLD_AT = "told_at"  # in a channel's health: fact -> when the provider said it
_HOLD = "hold"
_WARNING = "warning"  # in a channel's health: the provider's newest word, when it is one of warning
_WARNED = frozenset({"FLAGGED", "RESTRICTED"})
_SINCE = "since:"  # facts that are a time: of several the earliest counts
_BY_PROVIDER = "provider: "  # what a hold's reason begins with when a webhook made it: another may lift it
_KNOWN_SECONDS = 10.0  # by then every sender knows a new limit
_LOG = logging.getLogger("tocsin.messaging")


def keep(told: Iterable[LineUpdate]) -> None:
    """Keep what was told of lines and accounts, in any order: of each fact the newest counts."""
    for each in sorted(told, key=lambda one: one.at):
        with transaction.atomic():
            for row in _meant(each):
                _tell(row, each)


def _meant(told: LineUpdate) -> list[Any]:
    """Return the channels an update is about: its line, the one with its number, or all of its account."""
    found = models.MessagingChannel.objects.select_for_update().order_by("name")
    if told.line:
        return list(found.filter(line=told.line))
    of_account = list(found.filter(account=told.account)) if told.account else []
    if told.number:
        digits = _digits(told.number)
        return [row for row in of_account if _digits(str(row.settings.get("number", ""))) in ("", digits)]
    return of_account


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isdigit())


def _tell(row: Any, told: LineUpdate) -> None:
    changed: dict[str, Any] = {}
    told_at = dict(row.health.get(_TOLD_AT, {}))
    for fact, said in told.facts.items():
        is_since = fact.startswith(_SINCE)
        value = min(said, row.health.get(fact, said)) if is_since else said
        if not is_since and not _is_newer(told_at, fact, at=told.at):
            continue
        told_at[fact] = max(told.at.isoformat(), told_at.get(fact, ""))
        if row.health.get(fact) != value:
            changed[fact] = value
    held_before = (row.held_until, row.held_reason)
    if told.hold is not None and _is_newer(told_at, _HOLD, at=told.at):
        told_at[_HOLD] = told.at.isoformat()
        _hold(row, told)
    warned_before = row.health.get(_WARNING)
    health = {**row.health, **changed}
    row.health = {**health, _TOLD_AT: told_at, _WARNING: _warning(health, told_at)}
    row.save(update_fields=["health", "held_until", "held_reason"])
    if changed or held_before != (row.held_until, row.held_reason):
        _record(row, told, changed=changed)
    if warned_before and not row.health[_WARNING]:
        go_on([row.name], reason=Reason.LINE_FLAGGED, at=clock.now())
    if "people_per_day" in changed:
        go_on([row.name], reason=Reason.RATE_LIMITED, at=clock.now() + timedelta(seconds=_KNOWN_SECONDS))


def _warning(health: Mapping[str, Any], told_at: Mapping[str, str]) -> str:
    """Return how the provider warns of a line: by an event (``flagged``) or when it is asked (``status``), the newest.

    A warning holds nothing by itself: a notice of need matters more than a score of quality. Staff choose what becomes
    of campaigns meanwhile.
    """
    words = {"flagged": "FLAGGED" if health.get("flagged") else "", "status": str(health.get("status", "")).upper()}
    newest = max(words, key=lambda fact: told_at.get(fact, ""))
    return words[newest] if words[newest] in _WARNED else ""


def _hold(row: Any, told: LineUpdate) -> None:
    if told.hold:
        row.held_until, row.held_reason = told.hold_until, f"{_BY_PROVIDER}{told.reason}"
    elif row.held_reason.startswith(_BY_PROVIDER):
        # What a refusal or a person held is theirs to release.
        row.held_until, row.held_reason = None, ""


def _is_newer(told_at: Mapping[str, str], fact: str, *, at: datetime) -> bool:
    before = told_at.get(fact)
    return before is None or at >= datetime.fromisoformat(before)


def _record(row: Any, told: LineUpdate, *, changed: Mapping[str, Any]) -> None:
    facts = {"channel": row.name, "changed": sorted(changed), "held": row.held_reason, "reason": told.reason}
    journal.write(
        verb="messaging.line_changed", subject=f"messaging_channel:{row.name}", by=MACHINE, facts=facts
    )  # fmt: skip
    if told.hold:
        _LOG.warning("channel %s is held: %s", row.name, told.reason)
    elif told.reason:
        _LOG.warning("channel %s: %s", row.name, told.reason)
