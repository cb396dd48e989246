"""The language of everything a person reads: messages, numbers, dates. English is the source, French is translated.

``gettext`` is called with the English sentence. Catalogues are ``locale/<language>/LC_MESSAGES/django.po``; the
domain is Django's, so that templates share them. The ``.mo`` beside it is compiled when Tocsin is installed; in a
checkout where it is missing or older than the ``.po``, the ``.po`` is compiled in memory.
"""

import functools
import gettext as standard
import io
import os
import re
import string
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tocsin.kernel import catalog, clock

LANGUAGES = ("en", "fr")
LOCALE_DIR = Path(__file__).resolve().parent.parent / "locale"
DOMAIN = "django"
_VARIABLES = ("TOCSIN_LANG", "LC_ALL", "LC_MESSAGES", "LANG")  # the first that is set decides, as in POSIX
_MONTHS = {
    "en": "January February March April May June July August September October November December".split(),
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split(),
}
_SEPARATORS = {"en": (",", "."), "fr": ("\N{NARROW NO-BREAK SPACE}", ",")}  # thousands, decimals

_chosen: ContextVar[str | None] = ContextVar("language", default=None)


def current() -> str:
    """Return the language in force: ``en`` or ``fr``."""
    return _chosen.get() or from_environment(os.environ)


def from_environment(environment: Mapping[str, str]) -> str:
    """Return the language an environment asks for; English for one we do not speak."""
    asked = next((environment[name] for name in _VARIABLES if environment.get(name)), "")
    spoken = asked[:2].lower()
    return spoken if spoken in LANGUAGES else "en"


@contextmanager
def use(language: str) -> Iterator[None]:
    """Speak ``language`` (``en`` or ``fr``) for the length of a block."""
    if language not in LANGUAGES:
        raise ValueError(f"{language!r} is not one of {', '.join(LANGUAGES)}")
    token = _chosen.set(language)
    try:
        yield
    finally:
        _chosen.reset(token)


def gettext(msgid: str) -> str:
    """Return the sentence in the current language; the English one where it is not translated."""
    return _translations(current()).gettext(msgid) if msgid else ""


def gettext_noop(msgid: str) -> str:
    """Return the English sentence as it is: it stands in a table, and is translated where it is shown."""
    return msgid


def ngettext_noop(one: str, many: str) -> tuple[str, str]:
    """Return the English sentences as they are, as ``gettext_noop`` does."""
    return one, many


def lend() -> None:
    """Let libraries that ask Python's own gettext, as click does, speak from our catalogue in our language."""
    standard.bindtextdomain(DOMAIN, LOCALE_DIR)
    standard.textdomain(DOMAIN)
    os.environ["LANGUAGE"] = current()  # the first thing Python's gettext looks at


def ngettext(one: str, many: str, n: int) -> str:
    """Return ``one`` or ``many`` as ``n`` asks for in the current language (French counts 0 as singular)."""
    return _translations(current()).ngettext(one, many, n)


def render(text: str, values: Mapping[str, Any]) -> str:
    """Translate ``text``, then put ``values`` at its ``{names}``; numbers and times are written as the language does.

    ``{n:event|events}`` chooses by the number, as the language counts. A value is only ever inserted, never read as a
    format itself. A name without a value raises ``KeyError``.
    """
    return _Sentence().vformat(gettext(text), (), values)


def outline(text: str) -> str:
    """Translate ``text`` and leave its ``{names}`` open, words that depend on a number in the plural: for reference."""
    return re.sub(r"\{\w+:[^{}|]*\|([^{}|]*)\}", r"\1", gettext(text))


def format_number(number: float, *, decimals: int | None = None) -> str:
    """Return ``2,417`` in English, ``2 417`` (narrow no-break space) in French; by default up to two decimals."""
    if decimals is None:
        written = f"{number:,}" if isinstance(number, int) else f"{number:,.2f}".rstrip("0").rstrip(".")
    else:
        written = f"{number:,.{decimals}f}"
    thousands, point = _SEPARATORS[current()]
    return written.translate({ord(","): thousands, ord("."): point})


def format_date(moment: datetime | date | int, *, zone: str = "UTC") -> str:
    """Return ``14 March 2014`` or ``14 mars 2014``; an ``int`` is epoch milliseconds."""
    day = moment if isinstance(moment, date) and not isinstance(moment, datetime) else _local(moment, zone)
    first = "1er" if day.day == 1 and current() == "fr" else str(day.day)
    return f"{first} {_MONTHS[current()][day.month - 1]} {day.year}"


def format_datetime(moment: datetime | int, *, zone: str = "UTC", seconds: bool = False) -> str:
    """Return ``14 March 2014, 09:12 UTC`` in the zone named; an ``int`` is epoch milliseconds."""
    local = _local(moment, zone)
    joint = " à " if current() == "fr" else ", "
    return f"{format_date(local, zone=zone)}{joint}{local:{'%H:%M:%S' if seconds else '%H:%M'}} {local.tzname()}"


def _local(moment: datetime | date | int, zone: str) -> datetime:
    if isinstance(moment, int):
        moment = clock.from_ms(moment)
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise ValueError("a moment without a time zone cannot be shown in one")
    return moment.astimezone(ZoneInfo(zone))


def _is_one(number: object) -> bool:
    """Say whether a number takes the singular: exactly 1 in English, anything below 2 in French."""
    if not isinstance(number, int | float):
        return False
    return abs(number) < 2 if current() == "fr" else number == 1


class _Sentence(string.Formatter):
    """``str.format`` that knows names only (no attributes or indexes) and writes numbers in the current language."""

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        return kwargs[field_name], field_name

    def format_field(self, value: Any, format_spec: str) -> str:
        if "|" in format_spec:
            one, _bar, many = format_spec.partition("|")
            return one if _is_one(value) else many
        if format_spec:
            return format(value, format_spec)
        if isinstance(value, datetime):
            return format_datetime(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return format_number(value)
        return str(value)


@functools.cache
def _translations(language: str) -> standard.NullTranslations:
    folder = LOCALE_DIR / language / "LC_MESSAGES"
    source, binary = folder / f"{DOMAIN}.po", folder / f"{DOMAIN}.mo"
    if binary.exists() and not (source.exists() and source.stat().st_mtime_ns > binary.stat().st_mtime_ns):
        return standard.GNUTranslations(io.BytesIO(binary.read_bytes()))
    if source.exists():
        return standard.GNUTranslations(io.BytesIO(catalog.compiled(source.read_text(encoding="utf-8"))))
    return standard.NullTranslations()
