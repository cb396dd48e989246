"""The evidence of many detections at once: one pass over the events per rule, however many detections it raised."""

from collections.abc import Iterable, Sequence

from tocsin.detections.compilation import evidence_sql
from tocsin.detections.values import Detection, Rule
from tocsin.events.queries import EventStore

SELECTS_AT_ONCE = 200  # of detections without their rule: more in one statement makes planning slow


def gather_evidence(
    store: EventStore, detections: Sequence[Detection], *, table: str, columns: str, rules: Iterable[Rule]
) -> None:
    """Make the temporary table ``table``: ``n`` (place in ``detections``), ``proven``, then ``columns`` of each event.

    ``proven`` is whether the proof of the detection's scope hint holds on the event. A detection is gathered through
    its rule only when the rule renders exactly its ``evidence_sql``; any other is asked by that statement alone.
    """
    known = {(rule.rule_id, rule.version): rule for rule in rules}
    together: dict[tuple[str, int, str], list[int]] = {}
    alone: list[str] = []
    for n, found in enumerate(detections):
        rule = known.get((found.rule_id, found.rule_version))
        if rule is not None and _renders(rule, found):
            together.setdefault((found.rule_id, found.rule_version, found.scope.proof), []).append(n)
        else:
            alone.append(_alone_sql(n, found, columns=columns))
    parts = [f"SELECT 0 AS n, false AS proven, {columns} FROM events WHERE false"]
    for number, ((rule_id, version, proof), places) in enumerate(together.items()):
        episodes = f"{table}_episodes_{number}"
        _load_episodes(store, episodes, known[rule_id, version], places, detections)
        parts.append(_together_sql(known[rule_id, version], episodes, proof=proof, columns=columns))
    for number, start in enumerate(range(0, len(alone), SELECTS_AT_ONCE)):
        store.temporary(f"{table}_alone_{number}", " UNION ALL ".join(alone[start : start + SELECTS_AT_ONCE]))
        parts.append(f"SELECT * FROM {table}_alone_{number}")
    store.temporary(table, " UNION ALL ".join(parts))


def _renders(rule: Rule, found: Detection) -> bool:
    if not rule.keys.keys() <= found.parameters.keys():
        return False
    keys = {name: str(found.parameters[name]) for name in rule.keys}
    return evidence_sql(rule, keys=keys, first_ts=found.first_ts, last_ts=found.last_ts) == found.evidence_sql


def _alone_sql(n: int, found: Detection, *, columns: str) -> str:
    sql = found.evidence_sql.strip().rstrip(";")
    return f"SELECT {n} AS n, coalesce(({found.scope.proof}), false) AS proven, {columns} FROM ({sql}) AS evidence_{n}"


def _load_episodes(
    store: EventStore, name: str, rule: Rule, places: Sequence[int], detections: Sequence[Detection]
) -> None:
    columns = {"episode": "INTEGER", "low": "BIGINT", "high": "BIGINT"}
    rows = [
        (n, detections[n].first_ts, detections[n].last_ts, *(str(detections[n].parameters[key]) for key in rule.keys))
        for n in places
    ]
    store.load(name, {**columns, **{f"key_{number}": "VARCHAR" for number in range(len(rule.keys))}}, rows)


def _together_sql(rule: Rule, episodes: str, *, proof: str, columns: str) -> str:
    same = " AND ".join(f"({sql}) = key_{number}" for number, sql in enumerate(rule.keys.values()))
    return (
        f"SELECT episode AS n, coalesce(({proof}), false) AS proven, {columns} FROM events JOIN {episodes} "
        f"ON {same} AND ts BETWEEN low AND high WHERE {rule.condition}"
    )
