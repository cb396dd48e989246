"""Running the examples of a rule against the store, as ``tocsin rules test`` does."""

from dataclasses import dataclass

from tocsin.detections.compilation import detection_sql, evidence_sql
from tocsin.detections.values import Example, Rule
from tocsin.events.queries import EventStore
from tocsin.events.values import COLUMN_NAMES, COLUMN_TYPES


@dataclass(frozen=True, slots=True)
class ExampleRun:
    """How one example went: ``right`` when it did what its author said."""

    rule_id: str
    example: Example
    suspects: tuple[str, ...]
    right: bool
    problem: str


def run_examples(rule: Rule) -> tuple[ExampleRun, ...]:
    """Run every example of a rule in a store of its own and say which did not do what they should."""
    runs = []
    for example in rule.examples:
        with EventStore(()) as store:
            store.load(
                "example", COLUMN_TYPES, [tuple(row.get(name) for name in COLUMN_NAMES) for row in example.events]
            )
            rows = store.rows(detection_sql(rule, relation="example"))
            suspects = tuple(sorted({str(row[rule.suspect]) for row in rows}))
            problem = _problem(example, suspects)
            for row in rows:
                keys = {name: str(row[name]) for name in rule.keys}
                sql = evidence_sql(rule, keys=keys, first_ts=row["first_ts"], last_ts=row["last_ts"])
                counted = store.count(sql.replace("FROM events WHERE", "FROM example WHERE", 1))
                if counted != row["events"]:
                    problem = f"its evidence has {counted} events where {row['events']} were counted"
            runs.append(ExampleRun(rule.rule_id, example, suspects, not problem, problem))
    return tuple(runs)


def _problem(example: Example, suspects: tuple[str, ...]) -> str:
    if example.fires and not suspects:
        return "stayed silent"
    if not example.fires and suspects:
        return f"fired for {', '.join(suspects[:3])}"
    if example.suspects and set(example.suspects) != set(suspects):
        return f"fired for {', '.join(suspects[:3])}, not for {', '.join(example.suspects[:3])}"
    return ""
