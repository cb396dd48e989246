"""The small words of a report: counts, lists, spans of time, names of kinds, in the language in force."""

import shlex
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from tocsin.kernel import clock, language
from tocsin.kernel.language import gettext as _, ngettext

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


def quoted(value: object, *, length_max: int = 80) -> str:
    """Return a value from a log in the quotation marks of the language."""
    return _("“{value}”").format(value=visible(value, length_max=length_max))


def stamp_of(moment: datetime, *, zone: str) -> str:
    """Return an aware moment as ``stamp`` does."""
    return stamp(clock.to_ms(moment), zone=zone)


def moment_of(moment: datetime | int, *, zone: str) -> str:
    """Return ``14 March 2014, 09:12 UTC`` as the language says it."""
    return language.format_datetime(moment, zone=zone)


def evidence_command(folder: Path, uid: str) -> str:
    """Return the command that brings back the events a detection counted, quoted for a POSIX shell."""
    return shlex.join(["tocsin", "evidence", str(folder), uid])
