"""The small words of a report: counts, lists, spans of time, names of kinds, in the language in force."""

import csv
import functools
import shlex
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from tocsin.detections.values import AccountRole, Detection, Kind, Reason, SuspectType
from tocsin.kernel import clock, language
from tocsin.kernel.language import gettext as _, ngettext
from tocsin.scopes.values import Certainty, Reach

_SEVERITIES = ("critical", "high", "medium", "low", "informational")  # Sigma's levels, the worst first
VALUE_LENGTH_MAX = 400  # characters of one value from a log that a report shows; the files hold all of it
# Characters that reorder or hide text (Unicode UAX #9 and the invisible formatters): shown, never obeyed.
_HIDING = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def visible(value: object, *, length_max: int = VALUE_LENGTH_MAX) -> str:
    """Return a value from a log on one line, its control, bidi and invisible characters written as ``\\u202e``."""
    text = str(value)
    left_out = len(text) - length_max
    if left_out > 0:
        text = text[:length_max]
    shown = "".join(_escaped(char) if unicodedata.category(char) in _HIDING else char for char in text)
    return f"{shown}… (+{language.format_number(left_out)})" if left_out > 0 else shown


def _escaped(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def fill(sentence: str, **values: object) -> str:
    """Put ``values`` at the ``{names}`` of a sentence already in the language; numbers are written as it does."""
    return language.render(sentence, values) if sentence else ""


def reason(why: Reason) -> str:
    """Translate a reason. Its values come from logs, so what would hide is shown; a rule's title is translated too."""
    values: dict[str, object] = dict(why.values)
    for name, value in why.values.items():
        if name == "rule" and isinstance(value, str):
            values[name] = visible(language.gettext(value))
        elif name == "platform" and isinstance(value, str):
            values[name] = platform_name(value)
        elif isinstance(value, str):
            values[name] = visible(value)
    return fill(language.gettext(why.text), **values)


def listed(words: Sequence[str]) -> str:
    """Return ``a, b and c``."""
    if len(words) < 2:
        return "".join(words)
    return _("{most} and {last}").format(most=", ".join(words[:-1]), last=words[-1])


def sentence_case(text: str) -> str:
    """Return a text with its first letter large and the rest as it is."""
    return text[:1].upper() + text[1:]


def share(part: int, whole: int) -> str:
    """Return ``12.5 %``, never rounded to 0 or 100 while it is neither."""
    percent = 100 * part / whole if whole else 0.0
    if 0 < percent < 0.1:
        return _("under {n} %").format(n=language.format_number(0.1))
    if 99.9 < percent < 100:
        return _("over {n} %").format(n=language.format_number(99.9))
    return _("{n} %").format(n=language.format_number(round(percent, 1)))


def bytes_of(size: int) -> str:
    """Return a size in the decimal unit a person would choose."""
    for unit, name in ((10**9, _("GB")), (10**6, _("MB")), (10**3, _("kB"))):
        if size >= unit:
            return f"{language.format_number(round(size / unit, 1))}\N{NO-BREAK SPACE}{name}"
    return f"{language.format_number(size)}\N{NO-BREAK SPACE}{_('B')}"


def stamp(ts: int, *, zone: str) -> str:
    """Return ``2014-03-14 09:12:03``: the same in every language, for tables; the caption names the zone."""
    return f"{_local(ts, zone=zone):%Y-%m-%d %H:%M:%S}"


def span(first_ts: int, last_ts: int, *, zone: str, dated: bool = True) -> str:
    """Return ``02:00–03:00``, with its day when ``dated``; widened to whole minutes, midnight at the end is 24:00."""
    first = _local(first_ts, zone=zone).replace(second=0, microsecond=0)
    last = _local(last_ts, zone=zone)
    if last.second or last.microsecond:
        last = last.replace(second=0, microsecond=0) + timedelta(minutes=1)
    ends_at_midnight = (last.hour, last.minute) == (0, 0) and last > first
    last_day = (last - timedelta(minutes=1)).date() if ends_at_midnight else last.date()
    last_clock = "24:00" if ends_at_midnight else f"{last:%H:%M}"
    if first.date() == last_day:
        hours = f"{first:%H:%M}–{last_clock}"
        return _("{date}, {hours}").format(date=language.format_date(first, zone=zone), hours=hours) if dated else hours
    return _("{first_date}, {first_hour} to {last_date}, {last_hour}").format(
        first_date=language.format_date(first, zone=zone),
        first_hour=f"{first:%H:%M}",
        last_date=language.format_date(last_day),
        last_hour=last_clock,
    )


def spans(stretches: Iterable[tuple[int, int]], *, zone: str, dated: bool = True, shown_max: int = 4) -> str:
    """Return a list of spans; past ``shown_max`` the rest is counted."""
    every = list(stretches)
    shown = [span(first, last, zone=zone, dated=dated) for first, last in every[:shown_max]]
    if len(every) > shown_max:
        left = len(every) - shown_max
        shown.append(fill(ngettext("{n} other stretch", "{n} other stretches", left), n=left))
    return listed(shown)


def stretch(first_ts: int, last_ts: int, *, zone: str) -> str:
    """Return a span as tables show it: ``2014-03-14 00:00–24:00``, or both ends in full."""
    if one_day(first_ts, last_ts, zone=zone):
        return f"{_local(first_ts, zone=zone):%Y-%m-%d} {span(first_ts, last_ts, zone=zone, dated=False)}"
    first, last = _local(first_ts, zone=zone), _local(last_ts, zone=zone)
    return f"{first:%Y-%m-%d %H:%M} – {last:%Y-%m-%d %H:%M}"


def one_day(first_ts: int, last_ts: int, *, zone: str) -> bool:
    """Return whether both moments fall on the same day of the zone (a last moment at midnight is the day before)."""
    return _local(first_ts, zone=zone).date() == _local(max(first_ts, last_ts - 1), zone=zone).date()


def length(first_ts: int, last_ts: int) -> str:
    """Return how long a stretch is, in the unit a person would choose."""
    seconds = (last_ts - first_ts) / 1000
    if seconds < 90:
        n = max(1, round(seconds))
        return fill(ngettext("{n} second", "{n} seconds", n), n=n)
    if seconds < 2 * 3600 and seconds % 3600:
        n = round(seconds / 60)
        return fill(ngettext("{n} minute", "{n} minutes", n), n=n)
    if seconds < 48 * 3600:
        n = round(seconds / 3600)
        return fill(ngettext("{n} hour", "{n} hours", n), n=n)
    n = round(seconds / 86400)
    return fill(ngettext("{n} day", "{n} days", n), n=n)


def _local(ts: int, *, zone: str) -> datetime:
    return clock.from_ms(ts).astimezone(ZoneInfo(zone))


def data_kinds(kinds: Sequence[str]) -> str:
    """Return ``payment and password data``; a kind without a word of its own stands in quotation marks."""
    words = {
        "profile": _("profile"),
        "contact": _("contact"),
        "payment": _("payment"),
        "password": _("password"),
        "messages": _("message"),
        "health": _("health"),
        "credentials": _("credential"),
        "content": _("content"),
        "internal": _("internal"),
        "location": _("location"),
        "listening": _("listening"),
        "identity": _("identity"),
    }
    named = [words.get(kind) or quoted(kind) for kind in kinds]
    return _("{kinds} data").format(kinds=listed(named))


def quoted(value: object, *, length_max: int = 80) -> str:
    """Return a value from a log in the quotation marks of the language."""
    return _("“{value}”").format(value=visible(value, length_max=length_max))


def objects_of(object_type: str, n: int) -> str:
    """Return ``81,000 tracks``: how many things of one kind."""
    chosen = {
        "track": ngettext("{n} track", "{n} tracks", n),
        "album": ngettext("{n} album", "{n} albums", n),
        "playlist": ngettext("{n} playlist", "{n} playlists", n),
        "customer": ngettext("{n} customer record", "{n} customer records", n),
        "account": ngettext("{n} account record", "{n} account records", n),
        "user": ngettext("{n} account record", "{n} account records", n),
        "file": ngettext("{n} file", "{n} files", n),
        "s3_object": ngettext("{n} stored object (S3)", "{n} stored objects (S3)", n),
        "bucket": ngettext("{n} bucket", "{n} buckets", n),
        "secret": ngettext("{n} secret", "{n} secrets", n),
        "": ngettext("{n} object", "{n} objects", n),
    }.get(object_type)
    if chosen:
        return fill(chosen, n=n)
    text = ngettext("{n} object of type {type}", "{n} objects of type {type}", n)
    return fill(text, n=n, type=quoted(object_type))


def kind_word(kind: Kind) -> str:
    """Return what the attacker was doing, as a noun."""
    return {
        Kind.SCRAPING: _("scraping"),
        Kind.CREDENTIAL_STUFFING: _("credential stuffing"),
        Kind.PASSWORD_SPRAYING: _("password spraying"),
        Kind.BRUTE_FORCE: _("brute force"),
        Kind.SESSION_THEFT: _("session theft"),
        Kind.IMPOSSIBLE_TRAVEL: _("impossible travel"),
        Kind.ENUMERATION: _("enumeration"),
        Kind.API_ABUSE: _("API abuse"),
        Kind.INTERNAL_ACCESS: _("internal access"),
        Kind.MISCONFIGURATION: _("misconfiguration"),
        Kind.PRIVILEGE_CHANGE: _("change of privileges"),
        Kind.PERSISTENCE: _("persistence"),
        Kind.DEFENCE_EVASION: _("evasion of defences"),
        Kind.EXPLOIT_ATTEMPT: _("exploit attempt"),
        Kind.SCAN: _("scan"),
        Kind.CRAWL: _("crawl"),
        Kind.DOS: _("denial of service"),
        Kind.PHISHING: _("phishing"),
    }[kind]


def suspect_word(suspect_type: str) -> str:
    """Return what kind of name a suspect is."""
    words: dict[str, str] = {
        SuspectType.ACCOUNT: _("account"),
        SuspectType.SESSION: _("session"),
        SuspectType.ADDRESS: _("address"),
        SuspectType.NETWORK: _("network"),
        SuspectType.API_KEY: _("API key"),
        SuspectType.PRINCIPAL: _("staff, service or cloud identity"),
    }
    return words.get(suspect_type) or visible(suspect_type, length_max=40)


def role_word(role: AccountRole) -> str:
    """Return the part an account played."""
    return {
        AccountRole.VICTIM: _("victim"),
        AccountRole.INSTRUMENT: _("instrument"),
        AccountRole.ATTACKER: _("attacker"),
        AccountRole.NONE: _("no part known"),
    }[role]


def certainty_word(certainty: Certainty) -> str:
    """Return how sure it is."""
    return {
        Certainty.CONFIRMED: _("confirmed"),
        Certainty.LIKELY: _("likely"),
        Certainty.PRECAUTION: _("precaution"),
    }[certainty]


def reach_word(reach: Reach) -> str:
    """Return whether a kind of data was reached."""
    return {
        Reach.REACHED: _("reached"),
        Reach.NOT_REACHED: _("not reached"),
        Reach.UNKNOWABLE: _("cannot be told"),
    }[reach]


def severity_word(severity: str) -> str:
    """Return one of Sigma's levels as a word of the language."""
    return {
        "informational": _("informational"),
        "low": _("low"),
        "medium": _("medium"),
        "high": _("high"),
        "critical": _("critical"),
    }.get(severity, severity)


def rank(detection: Detection) -> tuple[int, float, int, str]:
    """Return the key that sorts detections: the worst first, then the surest, then the earliest."""
    return _SEVERITIES.index(detection.severity), -detection.score, detection.first_ts, detection.uid


def platform_name(platform: str) -> str:
    """Return a platform the way its makers write it."""
    known = {
        "android": "Android",
        "ios": "iOS",
        "windows": "Windows",
        "macos": "macOS",
        "linux": "Linux",
        "web": _("web"),
        "": _("platform unknown"),
    }
    return known.get(platform) or visible(platform, length_max=40)


def unjoined(kind: str, n: int) -> str:
    """Say how many names of one kind could not be joined to an account."""
    chosen = {
        "session_without_account": ngettext(
            "{n} session could not be joined to an account.", "{n} sessions could not be joined to an account.", n
        ),
        "session_with_several_accounts": ngettext(
            "{n} session was used by several accounts, so it says nothing of whose it is.",
            "{n} sessions were used by several accounts, so they say nothing of whose they are.",
            n,
        ),
        "alias_of_several_accounts": ngettext(
            "{n} name or address belongs to several accounts, so it was joined to none.",
            "{n} names or addresses belong to several accounts, so they were joined to none.",
            n,
        ),
    }.get(kind)
    if chosen:
        return fill(chosen, n=n)
    text = ngettext(
        "{n} value of {kind} could not be joined to an account.",
        "{n} values of {kind} could not be joined to an account.",
        n,
    )
    return fill(text, n=n, kind=quoted(kind))


def stamp_of(moment: datetime, *, zone: str) -> str:
    """Return an aware moment as ``stamp`` does."""
    return stamp(clock.to_ms(moment), zone=zone)


def moment_of(moment: datetime | int, *, zone: str) -> str:
    """Return ``14 March 2014, 09:12 UTC`` as the language says it."""
    return language.format_datetime(moment, zone=zone)


def certainty_meaning(certainty: Certainty) -> str:
    """Return what a certainty means, in one short line."""
    return {
        Certainty.CONFIRMED: _("events show it used, or its data read"),
        Certainty.LIKELY: _("touched, without proven use or read"),
        Certainty.PRECAUTION: _("member of a group named below"),
    }[certainty]


def measure_word(measure: str) -> str:
    """Return what the members of a cohort should do."""
    return {
        "sign_in_again": _("sign in again"),
        "update_client": _("sign in again and update"),
        "": _("none"),
    }.get(measure) or visible(measure, length_max=60)


def country_name(code: str) -> str:
    """Return a country by its ISO 3166-1 code; a code without a name stands as it is."""
    if not code:
        return _("country unknown")
    name = _countries().get(code, {}).get(language.current())
    return name or visible(code, length_max=40)


@functools.cache
def _countries() -> dict[str, dict[str, str]]:
    """Read ``countries.csv``: code -> language -> name, the short names in everyday use."""
    with Path(__file__).with_name("countries.csv").open(encoding="utf-8", newline="") as handle:
        return {row["code"]: row for row in csv.DictReader(handle)}


def evidence_command(folder: Path, uid: str) -> str:
    """Return the command that brings back the events a detection counted, quoted for a POSIX shell."""
    return shlex.join(["tocsin", "evidence", str(folder), uid])
