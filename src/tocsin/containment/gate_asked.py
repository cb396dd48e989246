"""What a line of a CSV file asks: its measures, times, platforms and clients, understood or refused with the mend."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from tocsin.containment.gate_demands import NOTHING, OF_CLIENTS, Demands, GateDemand, GateRule, rounded_up
from tocsin.containment.values import MeasureKind
from tocsin.kernel.language import gettext as _
from tocsin_gate.versions import version_key

AHEAD_MS_MAX = 5 * 60 * 1000  # clocks differ; beyond, nobody could meet the demand for long
MILLISECONDS_FROM = 100_000_000_000  # a number of seconds until the year 5138, of milliseconds from 1973 on
_APART = re.compile(r"[;|+\s]+")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")


class NotUnderstood(ValueError):
    """A value of a line that says nothing definite; the text says what, and how to mend it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The values of one line, beside its account; empty where it says nothing."""

    measures: str = ""
    since: str = ""
    platform: str = ""
    version_min: str = ""
    client: str = ""
    everybody: bool = False


def demands_of(asked: Asked, *, now_ms: int) -> Demands:
    """Return what a line asks of its account, or raise NotUnderstood."""
    kinds = _kinds(asked.measures)
    since_ms = rounded_up(moment_ms(asked.since, now_ms=now_ms))
    for kind, name, value in (
        (MeasureKind.UPDATE_CLIENT, "version_min", asked.version_min),
        (MeasureKind.RETIRE_CLIENT, "client", asked.client),
    ):
        if value and kind not in kinds:
            raise NotUnderstood(
                _("it has a {name} but does not ask {kind}: add the measure, or empty the column.").format(
                    name=name, kind=kind.value
                )
            )
    if asked.everybody and kinds - OF_CLIENTS:
        raise NotUnderstood(
            _("only update_client and retire_client can be asked of everybody: name the account, or take {kind} out.")
            .format(kind=min(kinds - OF_CLIENTS).value)
        )  # fmt: skip
    kinds.discard(MeasureKind.NONE)
    return frozenset(GateDemand(kind, since_ms, _rule(kind, asked)) for kind in kinds) if kinds else NOTHING


def rule_of(*, platform: str, version_min: str, client: str, unknown: str = "") -> GateRule:
    """Return the rule that a platform's least version or a client's name makes, or raise NotUnderstood."""
    if client:
        return GateRule(MeasureKind.RETIRE_CLIENT, platform=platform.lower(), client=client)
    if not platform or not version_min:
        raise NotUnderstood(_("a platform's least version needs both platform and version_min."))
    if version_key(version_min) is None:
        raise NotUnderstood(
            _("version_min {text} is no version: write numbers and dots, such as 8.11.").format(text=repr(version_min))
        )
    if unknown not in ("", "pass", "refuse"):
        raise NotUnderstood(_("unknown must be pass or refuse, not {text}.").format(text=repr(unknown)))
    return GateRule(
        MeasureKind.UPDATE_CLIENT, platform=platform.lower(), version_min=version_min, unknown=unknown or "pass"
    )


def moment_ms(text: str, *, now_ms: int) -> int:
    """Return a moment in epoch milliseconds: ISO 8601 with its zone, Unix seconds or milliseconds; empty is now."""
    if not text:
        return now_ms
    if _NUMBER.fullmatch(text):
        number = float(text)
        moment = round(number if number >= MILLISECONDS_FROM else number * 1000)
    else:
        moment = _iso_ms(text)
    if moment > now_ms + AHEAD_MS_MAX:
        raise NotUnderstood(
            _("since {text} lies ahead: nobody could meet it yet. Give the time of the containment.").format(
                text=repr(text)
            )
        )
    return moment


def _iso_ms(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise NotUnderstood(
            _("since {text} is no time: write 2026-03-14T09:00:00Z, or Unix seconds.").format(text=repr(text))
        ) from error
    if moment.tzinfo is None:
        raise NotUnderstood(_("since {text} has no zone: add Z for UTC, or +01:00.").format(text=repr(text)))
    return round(moment.astimezone(UTC).timestamp() * 1000)


def _kinds(text: str) -> set[MeasureKind]:
    words = [word.lower().replace("-", "_") for word in _APART.split(text) if word]
    if not words:
        raise NotUnderstood(_("it names no measure: write one, or none."))
    try:
        return {MeasureKind(word) for word in words}
    except ValueError as error:
        known = ", ".join(MeasureKind)
        stranger = next(word for word in words if word not in set(MeasureKind))
        raise NotUnderstood(
            _("{word} is no measure; there are {known}.").format(word=repr(stranger), known=known)
        ) from error


def _rule(kind: MeasureKind, asked: Asked) -> GateRule | None:
    if kind is MeasureKind.UPDATE_CLIENT:
        return rule_of(platform=asked.platform, version_min=asked.version_min, client="")
    if kind is MeasureKind.RETIRE_CLIENT:
        if not asked.client:
            raise NotUnderstood(_("retire_client needs the column client."))
        return rule_of(platform=asked.platform, version_min="", client=asked.client)
    return None
