"""The words of a report for what the modules below name in code: kinds, roles, reasons, formats, countries."""

import csv
import functools
import re
from collections.abc import Sequence
from pathlib import Path

from tocsin.detections.values import AccountRole, Detection, Kind, Reason, SuspectType
from tocsin.kernel import language
from tocsin.kernel.language import gettext as _, ngettext
from tocsin.reports.wording import fill, listed, quoted, visible
from tocsin.scopes.values import Certainty, Reach

_SEVERITIES = ("critical", "high", "medium", "low", "informational")  # Sigma's levels, the worst first
VALUE_IN_SENTENCE_MAX = 200  # characters


def reason(why: Reason) -> str:
    """Translate a reason. Its values come from logs, so what would hide is shown; a rule's title is translated too."""
    values: dict[str, object] = dict(why.values)
    for name, value in why.values.items():
        if name == "rule" and isinstance(value, str):
            values[name] = visible(language.gettext(value))
        elif name == "platform" and isinstance(value, str):
            values[name] = platform_name(value)
        elif isinstance(value, str):
            values[name] = visible(value, length_max=VALUE_IN_SENTENCE_MAX)
    return fill(language.gettext(why.text), **values)


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
        "accounts": _("accounts"),  # considered together: those that were only tried, or share a network
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


def operation_word(operation: str) -> str:
    """Return what was done to an object; an operation without a word stands as the log writes it."""
    words = {
        "read": _("read"),
        "copied": _("copied"),
        "changed": _("modified"),
        "deleted": _("deleted"),
        "listed": _("listed"),
    }
    return words.get(operation) or visible(operation, length_max=80)


def rejection(reason: str) -> str:
    """Return why lines were rejected, as ``rejected.jsonl.gz`` says it, in the language in force."""
    words = {
        "directive": _("header line of the format"),
        "empty": _("empty line"),
        "empty line": _("empty line"),
        "unknown format": _("unknown format"),
        "not of the recognised format": _("not of the recognised format"),
        "not valid JSON": _("not valid JSON"),
        "not a JSON object": _("not a JSON object"),
        "cut off or damaged JSON": _("cut off or damaged JSON"),
        "stray quote": _("stray quote"),
        "wrong number of cells": _("wrong number of cells"),
        "no readable time": _("no readable time"),
        "time out of range": _("time out of range"),
    }
    return words.get(reason) or _patterned(reason)


def source_note(note: str) -> str:
    """Return what reading says of a source, in the language in force."""
    return _patterned(note)


def _patterned(text: str) -> str:
    """Translate a sentence of the reading that carries a value; what is not known stands as it is."""
    sentences = (
        (r"cut off \((?P<why>.*)\)", _("cut off ({why})")),
        (r"could not be read: (?P<why>.*)", _("could not be read: {why}")),
        (r"longer than (?P<n>\d+) MiB, the start is kept", _("longer than {n} MiB, the start is kept")),
        (r"recovered up to the cut: (?P<why>.*)", _("recovered up to the cut: {why}")),
        (r"same content as (?P<path>.*): kept once", _("same content as {path}: kept once")),
        (
            r"continues (?P<path>.*), whose lines are counted as repeated",
            _("continues {path}, whose lines are counted as repeated"),
        ),
        (r"(?P<packing>gzip|zstd): the file ends in the middle", _("{packing}: the file ends in the middle")),
    )
    for pattern, sentence in sentences:
        found = re.fullmatch(pattern, text, re.DOTALL)
        if found:
            values = found.groupdict()
            return fill(sentence, **{name: _patterned(value) for name, value in values.items()})
    return visible(text)
