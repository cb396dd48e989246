"""The plain-words answer, and the time line behind it."""

import hashlib
import re
from dataclasses import replace

from rich.console import RenderableType

from tocsin.detections.values import Detection, Rule
from tocsin.events.queries import EventStore
from tocsin.kernel import language
from tocsin.reports import answers, terminal, timeline as timelines
from tocsin.reports.values import Answer, Investigation, RuleNote, TimelinePoint
from tocsin.reports.vocabulary import kind_word

__all__ = ["answer", "kind_word", "render_terminal", "rule_notes", "rules_digest", "timeline"]


def answer(investigation: Investigation) -> Answer:
    """Return what happened in plain words, in the investigation's language; the same for terminal and report."""
    with language.use(investigation.language):
        return answers.answered(investigation)


def timeline(
    store: EventStore, *, detections: tuple[Detection, ...], timezone: str = "UTC"
) -> tuple[TimelinePoint, ...]:
    """Return up to 120 bars over the whole store: events by status, and how many a suspect made inside its window."""
    return timelines.measured(store, detections=detections, zone=timezone)


def render_terminal(answer: Answer, investigation: Investigation) -> RenderableType:
    """Return what the terminal shows: the answer, then small tables; hostile values neutralised."""
    with language.use(investigation.language):
        return terminal.rendered(answer, investigation=investigation)


def rule_notes(rules: tuple[Rule, ...]) -> tuple[RuleNote, ...]:
    """Return what the report says of each rule; its ATT&CK techniques come from Sigma's tags (``attack.t1110.004``)."""
    return tuple(
        RuleNote(
            rule_id=rule.rule_id,
            version=rule.version,
            title=rule.title,
            digest=_digest(rule),
            attack=tuple(
                tag.removeprefix("attack.").upper()
                for tag in rule.tags
                if re.fullmatch(r"attack\.t\d{4}(\.\d{3})?", tag)
            ),
            advice=rule.advice,
            false_positives=rule.false_positives,
        )
        for rule in rules
    )


def rules_digest(rules: tuple[Rule, ...]) -> str:
    """Return one SHA-256 over every rule that was run, whether it fired or not; order does not matter."""
    return hashlib.sha256("\n".join(sorted(_digest(rule) for rule in rules)).encode()).hexdigest()


def _digest(rule: Rule) -> str:
    """Return the SHA-256 of a compiled rule: all of it but its examples and where its file lies."""
    return hashlib.sha256(repr(replace(rule, examples=(), place="")).encode()).hexdigest()
