"""The answer in plain words: what happened, to whom, what was not reached, what to do, and what cannot be told."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tocsin.detections.values import AccountRole, Kind
from tocsin.kernel.language import gettext as _, ngettext
from tocsin.reports import vocabulary, wording
from tocsin.reports.values import Answer, Investigation, Sentence, SentenceKind, Tone
from tocsin.scopes.values import Certainty, DataReach, Reach, ScopeDraft

# Kinds of data that say something about a person; the rest is the operator's own.
PERSONAL = frozenset(
    {
        "profile",
        "contact",
        "payment",
        "password",
        "messages",
        "health",
        "credentials",
        "location",
        "listening",
        "identity",
    }
)
# What somebody can do from outside without getting in.
_TRYING = frozenset(
    {
        Kind.SCAN,
        Kind.CRAWL,
        Kind.DOS,
        Kind.EXPLOIT_ATTEMPT,
        Kind.BRUTE_FORCE,
        Kind.CREDENTIAL_STUFFING,
        Kind.PASSWORD_SPRAYING,
        Kind.ENUMERATION,
        Kind.PHISHING,
    }
)
_UNREADABLE_SHARE_MAX = 0.05  # more rejected lines than this belong in the answer, not only in the annex
_NAMES_SHOWN_MAX = 2
_PLATFORMS_SHOWN_MAX = 5
Stretches = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Found:
    """The few numbers every sentence is made of."""

    victims: int  # confirmed: their data was read
    victims_data: tuple[str, ...]  # which kinds
    entered: int  # confirmed: the intruder was in the account
    entered_and_read: int | None  # of these, accounts of which some data was reached; None: too many to know here
    either: int  # confirmed, one or the other: too many, and too mixed, to tell apart here
    likely: int
    attackers: int
    copied: dict[str, int]  # object type -> distinct objects the intruder read
    principals: tuple[str, ...]

    @property
    def anything(self) -> bool:
        """Whether any account, object or identity is known to be touched."""
        return bool(self.accounts or self.likely or self.attackers or self.copied or self.principals)

    @property
    def accounts(self) -> int:
        """Confirmed accounts of customers."""
        return self.victims + self.entered + self.either


def found_in(investigation: Investigation) -> Found:
    """Count from the draft: ``counts`` and ``roles`` hold every account, ``accounts`` perhaps only the first ones."""
    scope = investigation.scope
    confirmed = [account for account in scope.accounts if account.certainty is Certainty.CONFIRMED]
    instruments = [account for account in confirmed if account.role is AccountRole.INSTRUMENT]
    victims = [account for account in confirmed if account.role is AccountRole.VICTIM]
    total = max(scope.counts.get(Certainty.CONFIRMED, 0), len(instruments) + len(victims))
    complete = total == len(instruments) + len(victims)
    mixed = not complete and bool(instruments) == bool(victims)
    return Found(
        victims=0 if mixed or not victims else total - len(instruments),
        victims_data=tuple(sorted({kind for account in victims for kind in account.data})),
        entered=0 if mixed or not instruments else total - len(victims),
        entered_and_read=sum(1 for account in instruments if account.data) if complete else None,
        either=total if mixed else 0,
        likely=scope.counts.get(Certainty.LIKELY, 0),
        attackers=scope.roles.get(AccountRole.ATTACKER, 0),
        copied=_copied_objects(scope),
        principals=scope.principals,
    )


def _copied_objects(scope: ScopeDraft) -> dict[str, int]:
    """Count distinct objects by type, the most first; where the draft holds only some of them, by what data says."""
    objects: dict[str, set[str]] = {}
    for row in scope.objects:
        objects.setdefault(row.object_type, set()).add(row.object)
    if scope.objects_total > len(scope.objects):
        name = next(iter(objects)) if len(objects) == 1 else ""
        counted = sum(line.objects for line in scope.data if line.reach is Reach.REACHED)
        return {name: counted or scope.objects_total}
    return {kind: len(ids) for kind, ids in sorted(objects.items(), key=lambda item: -len(item[1]))}


def answered(investigation: Investigation) -> Answer:
    """Return the answer in the language in force."""
    found = found_in(investigation)
    if not investigation.detections:
        return Answer(Tone.CLEAR, (*_nothing(investigation), *_limits(investigation)))
    sentences = (
        *_outcome(investigation, found=found),
        *_data(investigation, found=found),
        *_measures(investigation),
        *_cleared(investigation),
        *_limits(investigation),
    )
    return Answer(_tone(investigation, found=found), sentences)


def _tone(investigation: Investigation, *, found: Found) -> Tone:
    personal = any(line.reach is Reach.REACHED and line.data_kind in PERSONAL for line in investigation.scope.data)
    if found.accounts or found.likely or found.principals or personal:
        return Tone.HARMED
    if found.attackers or found.copied:
        return Tone.COPIED
    return Tone.TRIED


def _nothing(investigation: Investigation) -> Iterator[Sentence]:
    if not investigation.parsed:
        yield Sentence(SentenceKind.OUTCOME, _("Nothing could be read, so nothing can be told."))
        return
    n = investigation.kept[0] if investigation.kept else investigation.parsed
    text = ngettext(
        "Nothing suspicious was found in {n} event ({hours}).",
        "Nothing suspicious was found in {n} events ({hours}).",
        n,
    )
    yield _sentence(SentenceKind.OUTCOME, text, n=n, hours=_hours_read(investigation))
    text = _("This is what these logs and rules can show; it does not prove that nothing happened.")
    yield Sentence(SentenceKind.LIMITS, text)


def _hours_read(investigation: Investigation) -> str:
    if investigation.kept and investigation.kept[0]:
        return wording.span(investigation.kept[1], investigation.kept[2], zone=investigation.timezone)
    first = [source.first_ts for source in investigation.sources if source.first_ts is not None]
    last = [source.last_ts for source in investigation.sources if source.last_ts is not None]
    if not first or not last:
        return _("times unknown")
    return wording.span(min(first), max(last), zone=investigation.timezone)


def _outcome(investigation: Investigation, *, found: Found) -> Iterator[Sentence]:
    if found.victims:
        yield _victims(found)
    if found.entered:
        yield _entered(investigation, found=found)
    if found.either:
        text = ngettext(
            "{n} account was entered, or its data was read.",
            "{n} accounts were entered, or their data was read.",
            found.either,
        )
        yield _sentence(SentenceKind.OUTCOME, text, n=found.either)
    if found.principals:
        yield _identities(found)
    if found.copied and not found.accounts:
        yield _copied(investigation, found=found)
    elif found.attackers and not found.copied:
        text = ngettext("{n} account belongs to the intruder.", "{n} accounts belong to the intruder.", found.attackers)
        yield _sentence(SentenceKind.OUTCOME, text, n=found.attackers)
    if found.likely:
        text = ngettext("{n} more account was likely touched.", "{n} more accounts were likely touched.", found.likely)
        if not found.accounts:
            text = ngettext("{n} account was likely touched.", "{n} accounts were likely touched.", found.likely)
        yield _sentence(SentenceKind.OUTCOME, text, n=found.likely)
    if not found.anything:
        yield from _only_suspicious(investigation)


def _victims(found: Found) -> Sentence:
    n = found.victims
    if not found.victims_data:
        text = ngettext("{n} customer's data was read.", "{n} customers' data was read.", n)
        return _sentence(SentenceKind.OUTCOME, text, n=n)
    text = ngettext("{n} customer's data was read: {data}.", "{n} customers' data was read: {data}.", n)
    return _sentence(SentenceKind.OUTCOME, text, n=n, data=vocabulary.data_kinds(found.victims_data))


def _entered(investigation: Investigation, *, found: Found) -> Sentence:
    n, used = found.entered, found.entered_and_read
    if used is None:
        return _sentence(
            SentenceKind.OUTCOME, ngettext("{n} account was entered.", "{n} accounts were entered.", n), n=n
        )
    if used == n:
        text = ngettext(
            "{n} account was entered and used to read data.", "{n} accounts were entered and used to read data.", n
        )
        return _sentence(SentenceKind.OUTCOME, text, n=n)
    entered = fill_count(ngettext("{n} account was entered", "{n} accounts were entered", n), n)
    if used:
        tail = fill_count(
            ngettext("{n} of them was used to read data", "{n} of them were used to read data", used), used
        )
    elif any(line.reach is Reach.UNKNOWABLE for line in investigation.scope.data):
        tail = _("what was read there cannot be told in full")
    else:
        tail = _("no reading of data is seen in them")
    return _sentence(SentenceKind.OUTCOME, _("{entered}; {tail}."), entered=entered, tail=tail)


def _identities(found: Found) -> Sentence:
    n = len(found.principals)
    names = [wording.quoted(name, length_max=120) for name in found.principals[:_NAMES_SHOWN_MAX]]
    if n > _NAMES_SHOWN_MAX:
        names.append(fill_count(ngettext("{n} other", "{n} others", n - _NAMES_SHOWN_MAX), n - _NAMES_SHOWN_MAX))
    text = ngettext(
        "The intruder acted as {n} identity of yours: {names}.",
        "The intruder acted as {n} identities of yours: {names}.",
        n,
    )
    return _sentence(SentenceKind.OUTCOME, text, n=n, names=wording.listed(names))


def _copied(investigation: Investigation, *, found: Found) -> Sentence:
    things = _things(investigation, found=found)
    personal = _personal_words(investigation.scope.data)
    if found.attackers:
        text = ngettext(
            "{n} account of the intruder's copied {things}; {personal}.",
            "{n} accounts of the intruder's copied {things}; {personal}.",
            found.attackers,
        )
        return _sentence(SentenceKind.OUTCOME, text, n=found.attackers, things=things, personal=personal)
    text = _("The intruder read {things}; {personal}.")
    return _sentence(SentenceKind.OUTCOME, text, things=things, personal=personal)


def _things(investigation: Investigation, *, found: Found) -> str:
    """Say what was copied, by type; a single thing by its name."""
    types = list(found.copied.items())
    if sum(found.copied.values()) == 1:
        name = wording.quoted(investigation.scope.objects[0].object, length_max=100)
        return f"{vocabulary.objects_of(types[0][0], 1)} {name}"
    things = [vocabulary.objects_of(name, n) for name, n in types[:2]]
    if len(types) > 2:
        rest = sum(n for _name, n in types[2:])
        things.append(fill_count(ngettext("{n} other object", "{n} other objects", rest), rest))
    return wording.listed(things)


def _personal_words(data: tuple[DataReach, ...]) -> str:
    personal = [line for line in data if line.data_kind in PERSONAL]
    reached = [line.data_kind for line in personal if line.reach is Reach.REACHED]
    if reached:
        return _("among it {data}").format(data=vocabulary.data_kinds(reached))
    if any(line.reach is Reach.UNKNOWABLE for line in personal):
        return _("whether personal data was among it cannot be told")
    return _("no personal data")


def _only_suspicious(investigation: Investigation) -> Iterator[Sentence]:
    detections = investigation.detections
    kinds = list(dict.fromkeys(vocabulary.kind_word(detection.kind) for detection in detections))
    if {detection.kind for detection in detections} <= _TRYING:
        n = len({(detection.suspect_type, detection.suspect) for detection in detections})
        text = ngettext(
            "{n} suspect tried to get in or looked for a way ({kinds}); nobody got in, as far as these logs show.",
            "{n} suspects tried to get in or looked for a way ({kinds}); nobody got in, as far as these logs show.",
            n,
        )
        yield _sentence(SentenceKind.OUTCOME, text, n=n, kinds=wording.listed(kinds))
        return
    n = len(detections)
    text = ngettext(
        "{n} detection ({kinds}); no affected account is known from these logs.",
        "{n} detections ({kinds}); no affected account is known from these logs.",
        n,
    )
    yield _sentence(SentenceKind.OUTCOME, text, n=n, kinds=wording.listed(kinds))


def _data(investigation: Investigation, *, found: Found) -> Iterator[Sentence]:
    """Say, of each kind of data, what was not said yet; kinds of which the same can be said share a sentence."""
    told = found.victims_data if found.victims else ()
    lines = [line for line in investigation.scope.data if line.data_kind in PERSONAL and line.data_kind not in told]
    reached = [_reached(line) for line in lines if line.reach is Reach.REACHED]
    if reached:
        yield _sentence(SentenceKind.DATA, _("Reached: {data}."), data=wording.listed(reached))
    texts = {
        Reach.NOT_REACHED: _("{data}: not reached ({why})."),
        Reach.UNKNOWABLE: _("{data}: cannot be told ({why})."),
    }
    for reach, text in texts.items():
        groups: dict[str, list[str]] = {}
        for line in investigation.scope.data if reach is Reach.UNKNOWABLE else lines:
            if line.reach is reach:
                groups.setdefault(_standing(line, investigation=investigation), []).append(line.data_kind)
        for why, kinds in groups.items():
            data = wording.sentence_case(vocabulary.data_kinds(kinds))
            yield _sentence(SentenceKind.DATA, text, data=data, why=why)


def _reached(line: DataReach) -> str:
    data = vocabulary.data_kinds([line.data_kind])
    if not line.accounts:
        return data
    text = ngettext("{data} of {n} account", "{data} of {n} accounts", line.accounts)
    return wording.fill(text, data=data, n=line.accounts)


def _standing(line: DataReach, *, investigation: Investigation) -> str:
    """Return on which hours "not reached" stands, or why nothing can be told."""
    if line.reach is Reach.NOT_REACHED:
        hours = _hours(line.covered, investigation=investigation)
        return _("logs complete {hours}").format(hours=hours) if hours else _("no access seen")
    if line.gaps:
        return _("no logs {hours}").format(hours=_hours(line.gaps, investigation=investigation))
    return vocabulary.reason(line.reason) or _("no log shows who reads it")


def _hours(stretches: Stretches, *, investigation: Investigation) -> str:
    """Return the stretches in words; the day is left out when all logs are of one day."""
    zone = investigation.timezone
    seen = [ts for source in investigation.sources for ts in (source.first_ts, source.last_ts) if ts is not None]
    dated = not seen or not wording.one_day(min(seen), max(seen), zone=zone)
    return wording.spans(stretches, zone=zone, dated=dated)


def _measures(investigation: Investigation) -> Iterator[Sentence]:
    """Say who must do what: one number for signing in again, then each platform by name."""
    platforms = investigation.scope.platforms
    sign_in = sum(counts.get("sign_in_again", 0) for counts in platforms.values())
    update = [name for name, counts in platforms.items() if counts.get("update_client", 0)]
    if not sign_in and not update:
        return
    parts = []
    if sign_in:
        parts.append(fill_count(ngettext("{n} should sign in again", "{n} should sign in again", sign_in), sign_in))
    if update:
        text = ngettext("{names} must update", "{names} must update", len(update))
        parts.append(wording.fill(text, names=_platform_names(update)))
    quiet = [name for name in platforms if name and name not in update]
    idle = [name for name in quiet if not platforms[name].get("sign_in_again", 0)]
    same = [name for name in quiet if name not in idle]
    if same and update:
        parts.append(_("{names}: no update").format(names=_platform_names(same)))
    if idle:
        parts.append(_("{names}: nothing").format(names=_platform_names(idle)))
    yield Sentence(SentenceKind.MEASURES, wording.sentence_case(_("; ").join(parts)) + ".")


def _platform_names(platforms: Sequence[str]) -> str:
    names = [vocabulary.platform_name(name) for name in platforms[:_PLATFORMS_SHOWN_MAX]]
    if len(platforms) > _PLATFORMS_SHOWN_MAX:
        left = len(platforms) - _PLATFORMS_SHOWN_MAX
        names.append(fill_count(ngettext("{n} other", "{n} others", left), left))
    return wording.listed(names)


def _cleared(investigation: Investigation) -> Iterator[Sentence]:
    n = len(investigation.scope.considered)
    if n:
        yield _sentence(SentenceKind.CLEARED, ngettext("{n} suspect cleared.", "{n} suspects cleared.", n), n=n)


def _limits(investigation: Investigation) -> Iterator[Sentence]:
    zone = investigation.timezone
    if investigation.gaps and not any(line.gaps for line in investigation.scope.data):
        stretches = sorted({(gap.first_ts, gap.last_ts) for gap in investigation.gaps})
        hours = wording.spans(stretches, zone=zone, shown_max=2)
        yield _sentence(SentenceKind.LIMITS, _("No logs for {hours}: what happened then cannot be told."), hours=hours)
    if investigation.rejected > _UNREADABLE_SHARE_MAX * max(investigation.lines, 1):
        part = wording.share(investigation.rejected, investigation.lines)
        yield _sentence(SentenceKind.LIMITS, _("{share} of the lines could not be read."), share=part)


def fill_count(text: str, n: int) -> str:
    """Put one number into a sentence already chosen by it."""
    return wording.fill(text, n=n)


def _sentence(kind: SentenceKind, text: str, **values: str | int) -> Sentence:
    return Sentence(kind, wording.fill(text, **values))
