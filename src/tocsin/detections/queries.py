"""The rules there are, what they find in a store of events, and the evidence of what they found."""

from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from tocsin.detections.compilation import detection_sql, measure_names
from tocsin.detections.errors import RuleRefused
from tocsin.detections.evidence import StoredEvidence, evidence_of, read_evidence
from tocsin.detections.gathering import gather_evidence
from tocsin.detections.leads import leads_of, with_leads
from tocsin.detections.raising import raised
from tocsin.detections.trial import ExampleRun, run_examples
from tocsin.detections.values import Detection, Lead, Rule
from tocsin.events.queries import EventStore
from tocsin.kernel.loading import lazily

__all__ = [
    "ExampleRun",
    "StoredEvidence",
    "detect",
    "detection_sql",
    "evidence_of",
    "gather_evidence",
    "leads",
    "load_rules",
    "measure_names",
    "read_evidence",
    "rule_by_id",
    "run_examples",
    "shipped_rules",
]

rulefile = lazily("tocsin.detections.rulefile")  # it loads the parser of rules, which most commands never need
_SHIPPED = Path(__file__).parent / "rules"


@cache
def shipped_rules() -> tuple[Rule, ...]:
    """Return the rules that come with Tocsin, by id."""
    return load_rules(_SHIPPED)


def load_rules(folder: Path) -> tuple[Rule, ...]:
    """Return the rules of a folder (``*.yml``, one rule a file) by id; refused with file and line when one is wrong."""
    if not folder.is_dir():
        raise RuleRefused("There is no such folder of rules", where=folder)
    rules: dict[str, Rule] = {}
    for path in sorted(folder.glob("*.yml")):
        rule: Rule = rulefile.read_rule(path)
        if rule.rule_id in rules:
            raise RuleRefused(f"The name {rule.rule_id} is used twice", where=rule.place, mend="Rename one of them.")
        rules[rule.rule_id] = rule
    if not rules:
        raise RuleRefused("This folder holds no rules", where=folder, mend="A rule is a file ending in .yml.")
    return tuple(rules[name] for name in sorted(rules))


def rule_by_id(rule_id: str, *, rules: Iterable[Rule] | None = None) -> Rule | None:
    """Return the rule of that id, or None."""
    return next((rule for rule in (shipped_rules() if rules is None else rules) if rule.rule_id == rule_id), None)


def detect(
    store: EventStore, *, rules: Iterable[Rule] | None = None, progress: Callable[[Rule], None] | None = None
) -> tuple[Detection, ...]:
    """Return every detection in the store, in order of time, each in its lead.

    ``progress`` is called with each rule before it runs. The same events give the same detections, whatever their order
    and however they were cut into segments.
    """
    chosen = tuple(shipped_rules() if rules is None else rules)
    found: list[Detection] = []
    for rule in chosen:
        if progress:
            progress(rule)
        found += [raised(rule, row) for row in store.rows(detection_sql(rule))]
    return with_leads(store, found, rules={rule.rule_id: rule for rule in chosen})


def leads(detections: Iterable[Detection]) -> tuple[Lead, ...]:
    """Return the leads of detections, in order of time."""
    return leads_of(detections)
