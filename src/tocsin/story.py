"""The arrows: how one noun becomes the next, from logs to the report."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import orjson

import tocsin
from tocsin.containment import commands as containment_commands, queries as containment_queries
from tocsin.containment.values import Worked
from tocsin.detections import commands as detection_commands, queries as detection_queries
from tocsin.detections.values import Reason, Rule
from tocsin.events import commands as event_commands, queries as event_queries
from tocsin.events.ports import Format
from tocsin.events.values import SourceRead
from tocsin.incidents import commands as incident_commands
from tocsin.incidents.values import FactKind, Incident, NewFact, Severity, Standing
from tocsin.journal.values import Author
from tocsin.kernel import clock, files, home, language
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext as _, gettext_noop
from tocsin.reports import commands as report_commands, queries as report_queries
from tocsin.reports.values import Investigation
from tocsin.scopes import commands as scope_commands, queries as scope_queries
from tocsin.scopes.values import Revision, ScopeDraft

PARTIAL = ".partial"
WAIT_SECONDS = 1.0  # of the worker, when nothing is due
TABLES = {
    "asn": gettext_noop("No table of networks is installed: who runs an address is not known."),
    "place": gettext_noop("No table of countries is installed: where an address is, is not known."),
}
# Kinds of log by their OCSF classes, and what cannot be told when no event of them was given.
LOGS = {
    frozenset({3002}): gettext_noop(
        "No log of log-ins was given: guessed and stolen passwords cannot be seen, nor whose a session is."
    ),
    frozenset({4002, 6001, 6003, 6005}): gettext_noop(
        "No log of requests was given: what was read or changed after a log-in cannot be told."
    ),
}


@dataclass(frozen=True, slots=True)
class Watching:
    """What is called while an investigation runs, so that a person sees it move."""

    reading: event_commands.Progress | None = None
    accounts: Callable[[event_queries.AccountColumns], None] | None = None
    read: Callable[[SourceRead], None] | None = None
    rule: Callable[[Rule], None] | None = None
    step: Callable[[str], None] | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What an investigation is asked, beside the logs themselves."""

    options: event_commands.ReadingOptions = field(default_factory=event_commands.ReadingOptions)
    accounts: Path | None = None  # CSV: the account, then columns of its other names among others
    cohorts: tuple[str, ...] = ()
    rules: tuple[Rule, ...] | None = None  # None: the shipped ones
    command: tuple[str, ...] = ()
    threads: int | None = None


def investigate(
    paths: Sequence[str | Path],
    *,
    out: Path,
    formats: Sequence[Format],
    question: Question | None = None,
    watching: Watching | None = None,
) -> Investigation:
    """Read logs into ``out`` and answer who is affected: events -> detections -> scope -> report.

    Writes ``events/``, ``rejected.jsonl.gz``, ``unjoined.csv``, ``detections.jsonl``, ``affected.csv``,
    ``objects.csv``, ``summary.json`` and ``report.html``. May be interrupted and run again: what was read is kept,
    nothing is doubled.
    """
    (out / PARTIAL).mkdir(mode=0o700, parents=True, exist_ok=True)
    with files.held(out / PARTIAL / "lock") as free:
        if not free:
            raise TocsinError(
                _("Another investigation is writing into this folder."),
                where=out,
                mend=_("Wait for it to end, or name another folder with --out."),
            )
        return _investigated(
            paths, out=out, formats=formats, question=question or Question(), watching=watching or Watching()
        )


def _investigated(
    paths: Sequence[str | Path], *, out: Path, formats: Sequence[Format], question: Question, watching: Watching
) -> Investigation:
    started_at, began = clock.now(), monotonic()
    if question.accounts is not None:
        columns = event_queries.account_columns(question.accounts)  # before hours of reading: it may be unusable
        if watching.accounts is not None:
            watching.accounts(columns)
    tables = installed_tables()
    key = home.installation_key("events")
    sources, unjoined = event_commands.read_sources(
        paths,
        folder=out,
        formats=formats,
        options=replace(question.options, secret_key=key),
        accounts=question.accounts,
        tables=tables,
        threads=question.threads,
        progress=watching.reading,
        told=watching.read,
    )
    rules = question.rules or detection_queries.shipped_rules()
    with event_queries.open_events(out, scratch=out / PARTIAL, threads=question.threads) as store:
        found = detection_queries.detect(store, rules=rules, progress=watching.rule)
        leads = detection_queries.leads(found)
        _say(watching, gettext_noop("Working out who is affected"))
        gaps = event_queries.gaps(store, sources=sources)
        scope = scope_queries.draft_scope(
            store,
            detections=found,
            leads=leads,
            sources=sources,
            gaps=gaps,
            cohorts=question.cohorts,
            rules=rules,
        )
        scope = replace(scope, aware_ts=_aware_ts(out, scope=scope))
        scope_files = scope_commands.write_scope_files(store, folder=out)
        _say(watching, gettext_noop("Writing the report"))
        classes = set(store.column("SELECT DISTINCT class_uid FROM events"))
        (kept,) = store.rows("SELECT count(*) AS n, min(ts) AS first_ts, max(ts) AS last_ts FROM events")
        timeline = report_queries.timeline(store, detections=found, timezone=question.options.timezone)
    fired = {detection.rule_id for detection in found}
    investigation = Investigation(
        folder=out,
        started_at=started_at,
        finished_at=clock.now(),
        sources=sources,
        gaps=gaps,
        detections=found,
        leads=leads,
        scope=scope,
        timeline=timeline,
        kept=(kept["n"], kept["first_ts"], kept["last_ts"]) if kept["n"] else (0, 0, 0),
        rules=report_queries.rule_notes(tuple(rule for rule in rules if rule.rule_id in fired)),
        unjoined={
            "session_without_account": unjoined.sessions_without_account,
            "session_with_several_accounts": unjoined.sessions_with_several_accounts,
            "alias_of_several_accounts": unjoined.aliases_of_several_accounts,
        },
        unjoined_examples=unjoined.examples,
        logs_missing=tuple(Reason(text) for kinds, text in LOGS.items() if not kinds & classes),
        enrichment_notes=tuple(Reason(text) for name, text in TABLES.items() if name not in tables),
        files_written=(
            *scope_files,
            *(out / name for name in ("detections.jsonl", "summary.json", "rejected.jsonl.gz", "unjoined.csv")),
        ),
        command=question.command,
        versions={"tocsin": tocsin.__version__},
        rules_digest=report_queries.rules_digest(rules),
        rules_run=len(rules),
        timezone=question.options.timezone,
        language=language.current(),
        seconds=round(monotonic() - began, 2),
    )
    detection_commands.write_detections(found, folder=out)
    files.write_whole(out / "summary.json", orjson.dumps(summary(investigation), option=orjson.OPT_INDENT_2))
    report_commands.write_report(investigation, folder=out)
    return investigation


def declare(investigation: Investigation, *, by: Author) -> tuple[Incident, Revision]:
    """Declare an incident on what an investigation found, with its facts and revision 1 of its scope."""
    incident = incident_commands.declare_incident(
        _title(investigation),
        severity=_severity(investigation),
        leads=[lead.uid for lead in investigation.leads],
        facts=_facts(investigation),
        by=by,
    )
    return incident, scope_commands.open_revision(incident.number, folder=investigation.folder, by=by)


def revise(investigation: Investigation, *, incident: int, by: Author) -> Revision:
    """Make the next revision of an incident's scope from a later investigation."""
    return scope_commands.open_revision(incident, folder=investigation.folder, by=by)


def _title(investigation: Investigation) -> str:
    kinds = Counter(each.kind for each in investigation.detections)
    words = [report_queries.kind_word(kind) for kind, _count in kinds.most_common(3)]
    return ", ".join(words) or _("reported by a person")


def _severity(investigation: Investigation) -> Severity:
    order = list(Severity)
    return max((Severity(each.severity) for each in investigation.detections), key=order.index, default=Severity.MEDIUM)


def _facts(investigation: Investigation) -> list[NewFact]:
    """Return the facts of an investigation, each at its own time in the world."""
    found, scope = investigation.detections, investigation.scope
    proven = Standing.VERIFIED if scope.counts.get("confirmed") else Standing.ALLEGED
    facts = [NewFact(FactKind.DETECTED, investigation.finished_at, Standing.VERIFIED)] if found else []
    if scope.window is not None:
        facts += [
            NewFact(FactKind.BEGAN, clock.from_ms(scope.window[0]), proven),
            NewFact(FactKind.ENDED, clock.from_ms(scope.window[1]), proven),
        ]
    if scope.aware_ts is not None:
        facts.append(NewFact(FactKind.AWARE, clock.from_ms(scope.aware_ts), Standing.VERIFIED))
    else:
        facts.append(NewFact(FactKind.SUSPECTED, investigation.finished_at, Standing.ALLEGED))
    return facts


def _aware_ts(folder: Path, *, scope: ScopeDraft) -> int | None:
    """Return since when the company has known: the first investigation of this folder that confirmed an account.

    Awareness is a reasonable degree of certainty that personal data is compromised (EDPB guidelines 9/2022,
    paragraph 31), not the moment at which a log line could have told.
    """
    if not scope.counts.get("confirmed"):
        return None
    known = clock.to_ms(clock.now())
    try:
        earlier = orjson.loads((folder / "summary.json").read_bytes()).get("aware_ts")
    except (OSError, orjson.JSONDecodeError, AttributeError):
        return known
    return min(known, earlier) if isinstance(earlier, int) else known


def installed_tables() -> dict[str, Path]:
    """Return the address tables that were brought in, by what they say."""
    folder = home.data_home() / "tables"
    return {name: folder / f"{name}.parquet" for name in TABLES if (folder / f"{name}.parquet").exists()}


def summary(investigation: Investigation) -> dict[str, Any]:
    """Return what ``summary.json`` holds. Times are epoch milliseconds UTC where they end in ``_ts``."""
    sources = [
        {
            "path": source.path,
            "source_id": source.source_id,
            "sha256": source.sha256,
            "bytes": source.bytes,
            "format": source.format,
            "lines": source.lines,
            "parsed": source.parsed,
            "rejected": source.rejected,
            "repeated": source.repeated,
            "rejected_by_reason": source.rejected_by_reason,
            "first_ts": source.first_ts,
            "last_ts": source.last_ts,
            "notes": list(source.notes),
        }
        for source in investigation.sources
    ]
    return {
        "lines": investigation.lines,
        "parsed": investigation.parsed,
        "rejected": investigation.rejected,
        "sources": sources,
        "gaps": [
            {
                "source": gap.source,
                "first_ts": gap.first_ts,
                "last_ts": gap.last_ts,
                "usual_per_hour": gap.usual_per_hour,
            }
            for gap in investigation.gaps
        ],
        "detections": dict(sorted(Counter(each.kind.value for each in investigation.detections).items())),
        **scope_queries.summary(investigation.scope),
        "aware_ts": investigation.scope.aware_ts,
        "unjoined": investigation.unjoined,
        "answer": report_queries.answer(investigation).text,
        "seconds": investigation.seconds,
    }


def contain_work(
    connect: containment_commands.Connect,
    *,
    once: bool,
    only: Collection[str] = (),
    told: Callable[[Worked], None] | None = None,
    wait: Callable[[float], object] = sleep,
) -> None:
    """Run the arrows of containment: what people approved and started goes on by itself, and survives a kill anywhere.

    ``once`` ends as soon as nothing is due; else the worker goes on until it is interrupted. With ``only``, nothing but
    these connected systems is worked on.
    """
    worker = containment_commands.Worker(connect, only=only, **({"told": told} if told else {}))
    on_systems = (
        ("steps to send, read back and undo", worker.work_systems),
        ("done to ask", worker.ask_done),
        ("signals to record", lambda: containment_commands.record_news().taken),
        ("progress to settle", worker.settle_progress),
    )
    arrows: tuple[tuple[str, Callable[[], int]], ...] = (
        ("waves to begin", worker.begin_waves),
        ("steps to make", worker.make_steps),
        ("list and changes to publish", worker.publish),
        *on_systems,
        ("plans to close", worker.close_plans),
    )
    while True:
        moved = sum(take() for _name, take in (on_systems if only else arrows))
        if moved == 0:
            if once:
                return
            wait(WAIT_SECONDS)


def follow(
    number: int,
    paths: Sequence[str | Path],
    *,
    formats: Sequence[Format],
    question: Question | None = None,
    watching: Watching | None = None,
    allowance_seconds: float,
    by: Author,
) -> tuple[tuple[SourceRead, ...], containment_commands.Seen]:
    """Read the protected product's logs and record what they show of the accounts of a plan.

    What was read for this plan before is kept, so the same growing logs may be named again and again.
    """
    asked, watched = question or Question(), watching or Watching()
    folder = home.data_home() / "followed" / str(containment_queries.plan(number).id)
    (folder / PARTIAL).mkdir(mode=0o700, parents=True, exist_ok=True)
    with files.held(folder / PARTIAL / "lock") as free:
        if not free:
            raise TocsinError(
                _("The logs of plan {number} are being followed already.").format(number=number),
                mend=_("Wait for that to end."),
            )
        sources, _unjoined = event_commands.read_sources(
            paths,
            folder=folder,
            formats=formats,
            options=replace(asked.options, secret_key=home.installation_key("events")),
            accounts=asked.accounts,
            tables=installed_tables(),
            threads=asked.threads,
            progress=watched.reading,
            told=watched.read,
        )
        _say(watched, gettext_noop("Looking for what the contained accounts did"))
        seen = containment_commands.record_seen(
            number, folder=folder, allowance_seconds=allowance_seconds, threads=asked.threads, by=by
        )
    return sources, seen


def _say(watching: Watching, text: str) -> None:
    if watching.step is not None:
        watching.step(text)
