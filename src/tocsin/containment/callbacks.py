"""What a connected product reports of its own accord: facts of done, as JSON."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from tocsin.containment.errors import CallbackNotUnderstood
from tocsin.containment.values import DoneBy, DoneFact, DoneKind
from tocsin.kernel import clock
from tocsin.kernel.language import gettext as _

FACTS_MAX = 10_000
TEXT_CHARACTERS_MAX = 1000
SKEW_SECONDS_MAX = 300  # how far another clock may be ahead of ours
# What counts against an account is seen in logs, never reported by the product about itself.
KINDS = frozenset(DoneKind) - {DoneKind.OLD_SESSION_ACTIVE, DoneKind.SUSPENDED_ACTING}


def facts_of(body: bytes, *, source: str) -> tuple[DoneFact, ...]:
    """Return the facts of ``{"done": [{"account", "kind", "at", "platform", "client", "client_version", "id"}, ...]}``.

    ``at`` is RFC 3339 with a zone. Raises CallbackNotUnderstood naming the element; nothing is taken in part.
    """
    try:
        listed = json.loads(body)["done"]
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise _wrong("done", _("a list is needed here")) from error
    if not isinstance(listed, list) or len(listed) > FACTS_MAX:
        raise _wrong("done", _("a list of at most {n} is needed here").format(n=FACTS_MAX))
    return tuple(_fact(each, place=f"done[{number}]", source=source) for number, each in enumerate(listed))


def _fact(told: Any, *, place: str, source: str) -> DoneFact:
    if not isinstance(told, dict):
        raise _wrong(place, _("an object is needed here"))
    texts = {name: _text(told, name, place=place) for name in ("account", "platform", "client", "client_version", "id")}
    if not texts["account"]:
        raise _wrong(f"{place}.account", _("the account is missing"))
    kind = told.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise _wrong(f"{place}.kind", _("one of {kinds} is needed here").format(kinds=", ".join(sorted(KINDS))))
    return DoneFact(
        account=texts["account"],
        kind=DoneKind(kind),
        done_at=_moment(told.get("at"), place=f"{place}.at"),
        by=DoneBy.WEBHOOK,
        source=source,
        platform=texts["platform"].lower(),
        client_version=texts["client_version"],
        reference=texts["client"] if kind == DoneKind.CLIENT_SEEN else texts["id"],
    )


def _text(told: dict[str, Any], name: str, *, place: str) -> str:
    value = told.get(name, "")
    if not isinstance(value, str) or len(value) > TEXT_CHARACTERS_MAX or not _can_be_kept(value):
        raise _wrong(f"{place}.{name}", _("a short text is needed here"))
    return value


def _can_be_kept(value: str) -> bool:
    return "\x00" not in value and not any("\ud800" <= character <= "\udfff" for character in value)


def _moment(value: Any, *, place: str) -> datetime:
    wrong = _wrong(place, _("a time with its zone is needed here, such as 2026-03-02T12:00:00Z"))
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise wrong
        at = moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise wrong from error
    if at > clock.now() + timedelta(seconds=SKEW_SECONDS_MAX):
        raise _wrong(place, _("nothing can have been done in the future"))
    return at


def _wrong(place: str, what: str) -> CallbackNotUnderstood:
    return CallbackNotUnderstood(_("The report cannot be read: {what}.").format(what=what), where=place)
