"""report.html: one file, no scripts, no network. Jinja escapes values; ``wording.visible`` shows what would hide."""

import base64
import functools
import hashlib
import platform
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tocsin.detections.values import AccountRole, Detection
from tocsin.kernel import language
from tocsin.kernel.language import gettext as _, ngettext
from tocsin.reports import answers, charts, vocabulary, wording
from tocsin.reports.values import Investigation, RuleNote, SentenceKind, Tone
from tocsin.scopes.values import AffectedAccount, Certainty, Reach

ACCOUNTS_SHOWN_MAX = 200
PRECAUTIONS_SHOWN_MAX = 20
OBJECTS_SHOWN_MAX = 100
DETECTIONS_SHOWN_MAX = 200
DETECTIONS_IN_FULL_MAX = 3  # of each rule; a campaign of hundreds would fill hundreds of pages with the same words
SOURCES_SHOWN_MAX = 300
COUNTRIES_SHOWN_MAX = 20
_TEMPLATES = Path(__file__).parent / "templates"


def rendered(investigation: Investigation) -> str:
    """Return the page in the language in force."""
    style = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    answer = answers.answered(investigation)
    ranked = sorted(investigation.detections, key=vocabulary.rank)[:DETECTIONS_SHOWN_MAX]
    in_full = _in_full(ranked)
    template = _environment().get_template("report.html")
    return template.render(
        zone=investigation.timezone,
        lang=language.current(),
        style=style,
        style_digest=digest,
        investigation=investigation,
        scope=investigation.scope,
        answer=answer,
        headline=[one for one in answer.sentences if one.kind is SentenceKind.OUTCOME],
        rest=[one for one in answer.sentences if one.kind is not SentenceKind.OUTCOME],
        tone_words=_tone_words(answer.tone),
        plot=charts.plot(
            investigation.timeline,
            gaps=investigation.gaps,
            detections=investigation.detections,
            zone=investigation.timezone,
        ),
        accounts=_accounts_shown(investigation.scope.accounts),
        accounts_total=_accounts_total(investigation),
        objects_total=max(len(investigation.scope.objects), investigation.scope.objects_total),
        objects=investigation.scope.objects[:OBJECTS_SHOWN_MAX],
        detections=in_full,
        detections_briefly=[one for one in ranked if one not in in_full],
        sources=investigation.sources[:SOURCES_SHOWN_MAX],
        shown_uids={one.uid for one in ranked},
        country_bars=tuple(_country_bars(investigation.scope.countries)),
        rejections=_rejections(investigation),
        notes={note.rule_id: note for note in investigation.rules},
        advice=tuple(_advice(investigation)),
        limits=tuple(_limits(investigation)),
        versions=_versions(investigation),
        command=shlex.join(investigation.command),
        reaches=tuple(Reach),
        certainties=tuple(Certainty),
    )


def _in_full(ranked: list[Detection]) -> list[Detection]:
    """Return the first few detections of each rule, in their order."""
    told: Counter[str] = Counter()
    chosen = []
    for detection in ranked:
        told[detection.rule_id] += 1
        if told[detection.rule_id] <= DETECTIONS_IN_FULL_MAX:
            chosen.append(detection)
    return chosen


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        _=language.gettext,
        ngettext=language.ngettext,
        fill=wording.fill,
        vocabulary=vocabulary,
        wording=wording,
    )
    environment.filters.update(
        shown=wording.visible,
        number=language.format_number,
        sentence=wording.sentence_case,
    )
    return environment


def _tone_words(tone: Tone) -> str:
    return {
        Tone.CLEAR: _("Nothing found"),
        Tone.TRIED: _("Nobody known to have got in"),
        Tone.COPIED: _("Copied, no personal data known"),
        Tone.HARMED: _("Accounts or data affected"),
    }[tone]


def _accounts_shown(accounts: tuple[AffectedAccount, ...]) -> list[AffectedAccount]:
    """The confirmed and likely by name; of those who are only in a group, a few: the group has a line of its own."""
    named = [account for account in accounts if account.certainty is not Certainty.PRECAUTION]
    grouped = [account for account in accounts if account.certainty is Certainty.PRECAUTION]
    shown = named[:ACCOUNTS_SHOWN_MAX]
    return shown + grouped[: min(PRECAUTIONS_SHOWN_MAX, ACCOUNTS_SHOWN_MAX - len(shown))]


def _accounts_total(investigation: Investigation) -> int:
    scope = investigation.scope
    return max(len(scope.accounts), sum(scope.counts.values()) + scope.roles.get(AccountRole.ATTACKER, 0))


@dataclass(frozen=True, slots=True)
class CountryBar:
    """One country's affected accounts; ``percent`` of the country with the most."""

    name: str
    n: int
    percent: float


def _country_bars(countries: dict[str, int]) -> Iterator[CountryBar]:
    """The countries with the most accounts, then all the others as one."""
    ranked = sorted(countries.items(), key=lambda item: (-item[1], item[0]))
    highest = max(countries.values(), default=0) or 1
    for code, n in ranked[:COUNTRIES_SHOWN_MAX]:
        yield CountryBar(vocabulary.country_name(code), n, round(100 * n / highest, 1))
    rest = sum(n for _code, n in ranked[COUNTRIES_SHOWN_MAX:])
    if rest:
        others = len(ranked) - COUNTRIES_SHOWN_MAX
        name = wording.fill(ngettext("{n} other country", "{n} other countries", others), n=others)
        yield CountryBar(name, rest, round(min(100.0, 100 * rest / highest), 1))


def _rejections(investigation: Investigation) -> list[tuple[str, int]]:
    """Count rejected lines by reason over all sources, the most frequent first."""
    counted: Counter[str] = Counter()
    for source in investigation.sources:
        counted.update(source.rejected_by_reason)
    return [(vocabulary.rejection(reason), n) for reason, n in counted.most_common(20)]


def _advice(investigation: Investigation) -> Iterator[RuleNote]:
    """The advice of every rule that fired, worst first, each advice once."""
    notes = {note.rule_id: note for note in investigation.rules}
    told = set()
    for detection in sorted(investigation.detections, key=vocabulary.rank):
        note = notes.get(detection.rule_id)
        if note and note.advice and note.advice not in told:
            told.add(note.advice)
            yield note


def _limits(investigation: Investigation) -> Iterator[str]:
    """Say what these logs cannot tell, most important first."""
    zone = investigation.timezone
    for gap in investigation.gaps:
        text = _("{source} says nothing for {hours} ({length}); it usually writes {n} lines an hour.")
        yield wording.fill(
            text,
            source=wording.quoted(gap.source),
            hours=wording.span(gap.first_ts, gap.last_ts, zone=zone),
            length=wording.length(gap.first_ts, gap.last_ts),
            n=round(gap.usual_per_hour) or round(gap.usual_per_hour, 1),
        )
    for line in investigation.scope.data:
        if line.reach is Reach.UNKNOWABLE:
            text = _("{data}: whether it was reached cannot be told. {reason}")
            data = wording.sentence_case(vocabulary.data_kinds([line.data_kind]))
            yield wording.fill(text, data=data, reason=vocabulary.reason(line.reason)).strip()
    for reason in investigation.logs_missing:
        yield vocabulary.reason(reason)
    yield from _limits_of_reading(investigation)
    for note in investigation.enrichment_notes:
        yield vocabulary.reason(note)
    n = investigation.rules_run
    if n:
        yield wording.fill(
            ngettext(
                "{n} rule was run. What no rule describes was not looked for.",
                "{n} rules were run. What no rule describes was not looked for.",
                n,
            ),
            n=n,
        )


def _limits_of_reading(investigation: Investigation) -> Iterator[str]:
    unknown = sum(1 for source in investigation.sources if source.format == "unknown")
    if unknown:
        text = ngettext(
            "{n} file is of no format Tocsin knows; none of its lines were read.",
            "{n} files are of no format Tocsin knows; none of their lines were read.",
            unknown,
        )
        yield wording.fill(text, n=unknown)
    if investigation.rejected:
        text = ngettext(
            "{n} line ({share}) could not be read; it is kept, with its reason, in rejected.jsonl.gz.",
            "{n} lines ({share}) could not be read; they are kept, with their reasons, in rejected.jsonl.gz.",
            investigation.rejected,
        )
        share = wording.share(investigation.rejected, investigation.lines)
        yield wording.fill(text, n=investigation.rejected, share=share)
    for kind, n in investigation.unjoined.items():
        if n:
            yield vocabulary.unjoined(kind, n)
    if investigation.unjoined_examples:
        names = [wording.quoted(example, length_max=40) for example in investigation.unjoined_examples[:5]]
        yield _("Not joined, for example: {names}.").format(names=wording.listed(names))


def _versions(investigation: Investigation) -> dict[str, str]:
    """What computed it: what is installed here, and what the investigation recorded."""
    installed = {name: metadata.version(name) for name in ("tocsin", "duckdb", "pysigma")}
    return {**installed, "python": platform.python_version(), **investigation.versions}
