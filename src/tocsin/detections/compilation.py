"""A rule as one SELECT in the portable core: BIGINT time, RANGE windows, counts, exact distinct, min, max, sum, avg,
ln.
"""

from collections.abc import Iterable, Mapping

from tocsin.detections.expressions import literal
from tocsin.detections.values import Candidates, Measure, Peers, Rule, WindowKind
from tocsin.detections.windows import window_tables
from tocsin.kernel.errors import TocsinError

ALWAYS = ("first_ts", "last_ts", "events")


def detection_sql(rule: Rule, *, relation: str = "events") -> str:
    """Return the SELECT that finds every episode of a rule.

    One row per episode: the keys, ``first_ts``, ``last_ts``, ``events``, then every measure by name. ``relation`` is
    the table or view of events. The same events give the same rows, whatever their order.
    """
    keys = tuple(rule.keys)
    tables = [*_counted(rule, relation), *window_tables(rule.window, keys=keys)]
    tables.append(("measured", _measured(rule.measures, keys=keys, run="run", rows="placed")))
    tables += _usual_tables(rule, relation)
    tables.append(("compared", _compared(rule)))
    tables.append(("derived", _derived("compared", rule.derived)))
    tables.append(("peered", _peered(rule.peers)))
    tables.append(("qualified", "SELECT * FROM peered" + (f" WHERE {rule.having}" if rule.having else "")))
    last = "qualified"
    if rule.window.kind is WindowKind.BUCKET:
        tables += _merged_neighbours(rule)
        last = "merged"
    names = [*keys, *ALWAYS, *measure_names(rule)]
    written = ",\n".join(f"{name} AS ({sql})" for name, sql in tables)
    return f"WITH {written}\nSELECT {', '.join(names)} FROM {last} ORDER BY first_ts, {', '.join(keys)}"


def evidence_sql(rule: Rule, *, keys: Mapping[str, str], first_ts: int, last_ts: int) -> str:
    """Return the one SELECT over the view ``events`` that gives back the events an episode stands on."""
    if keys.keys() != rule.keys.keys():
        what = f"The evidence of {rule.rule_id} needs the keys {', '.join(rule.keys)}"
        raise TocsinError(what, mend="Another version of the rule made it: investigate the logs again.")
    bound = " AND ".join(f"{sql} = {literal(str(keys[name]))}" for name, sql in rule.keys.items())
    return f"SELECT * FROM events WHERE {rule.condition} AND {bound} AND ts BETWEEN {int(first_ts)} AND {int(last_ts)}"


def measure_names(rule: Rule) -> tuple[str, ...]:
    """Return the names of everything measured of an episode, in the order of the SELECT."""
    usual = [measure.name for part in rule.usual for measure in part.measures]
    peers = list(rule.peers.measures) if rule.peers else []
    return (*(measure.name for measure in rule.measures), *usual, *rule.derived, *peers)


def _counted(rule: Rule, relation: str) -> list[tuple[str, str]]:
    keys = tuple(rule.keys)
    columns = [column for column in rule.columns if column not in {"ts", *keys}]
    picked = [
        *_aliased(rule.keys),
        "ts",
        *columns,
        *(f"CASE WHEN {sql} THEN 1 ELSE 0 END AS {name}" for name, sql in rule.flags.items()),
    ]
    there = " AND ".join(f"{sql} IS NOT NULL" for sql in rule.keys.values())
    counts = f"{rule.condition} AND ts IS NOT NULL AND {there}"
    tables = []
    if rule.candidates is not None:
        tables.append(("candidates", _candidates(rule, rule.candidates, relation, counts)))
        counts += f" AND ({', '.join(rule.keys.values())}) IN (SELECT {', '.join(keys)} FROM candidates)"
    tables.append(("base", f"SELECT {', '.join(picked)} FROM {relation} WHERE {counts}"))
    if rule.previous:
        # Events of the same moment are put in the order of their values, so that the order of reading never matters.
        order = ", ".join(["ts", *sorted({*columns, *rule.flags})])
        window = f"OVER (PARTITION BY {', '.join(keys)} ORDER BY {order})"
        before = ", ".join(f"lag({column}) {window} AS previous_{column}" for column in rule.previous)
        tables.append(("stepped", f"SELECT *, {before} FROM base"))
    rows = [f"{measure.row} AS r{number}" for number, measure in enumerate(rule.measures) if measure.row]
    if rule.window.value:
        rows.append(f"{rule.window.value} AS v")
    if rule.window.mark:
        rows.append(f"CASE WHEN {rule.window.mark} THEN 1 ELSE 0 END AS q")
    tables.append(("counted", f"SELECT {', '.join([*keys, 'ts', *rows])} FROM {tables[-1][0]}"))
    return tables


def _candidates(rule: Rule, candidates: Candidates, relation: str, counts: str) -> str:
    """Return the keys worth sorting: most have too few events to fire, and a hash of counts is cheaper than windows."""
    number = candidates.at_least
    if not candidates.value:
        having = f"count(*) >= {number}"
    elif number == 2:
        having = "min(one) < max(one)"
    else:
        having = f"count(DISTINCT one) >= {number}"
    picked = [*_aliased(rule.keys), *([f"{candidates.value} AS one"] if candidates.value else [])]
    counted = f"{counts} AND {candidates.condition}" if candidates.condition else counts
    listed = ", ".join(rule.keys)
    seen = f"SELECT {', '.join(picked)} FROM {relation} WHERE {counted}"
    return f"SELECT {listed} FROM ({seen}) AS seen GROUP BY {listed} HAVING {having}"


def _aliased(named: Mapping[str, str]) -> list[str]:
    return [name if name == sql else f"{sql} AS {name}" for name, sql in named.items()]


def _aggregates(measures: Iterable[Measure], *, first: int = 0) -> list[str]:
    numbered = enumerate(measures, start=first)
    return [f"{measure.aggregate.format(row=f'r{number}')} AS {measure.name}" for number, measure in numbered]


def _measured(
    measures: tuple[Measure, ...], *, keys: tuple[str, ...], run: str, rows: str, more: Iterable[str] = ()
) -> str:
    picked = [
        *keys,
        run,
        "min(ts) AS first_ts",
        "max(ts) AS last_ts",
        "count(*) AS events",
        *_aggregates(measures),
        *more,
    ]
    return f"SELECT {', '.join(picked)} FROM {rows} GROUP BY {', '.join([*keys, run])}"


def _usual_tables(rule: Rule, relation: str) -> list[tuple[str, str]]:
    """Return one table for each population, read once however often it is measured, and one for each measuring."""
    populations: dict[str, tuple[str, dict[str, str], list[str]]] = {}
    measured: list[tuple[str, str]] = []
    for number, usual in enumerate(rule.usual):
        table, keys, rows = populations.setdefault(usual.condition, (f"population_{len(populations)}", {}, []))
        by = {key: f"{key}_{number}" if sql else key for key, sql in usual.by.items()}
        keys.update({by[key]: sql or rule.keys[key] for key, sql in usual.by.items()})
        first = len(rows)
        rows += [measure.row for measure in usual.measures]
        picked = [name if name == key else f"{name} AS {key}" for key, name in by.items()]
        there = " AND ".join(f"{name} IS NOT NULL" for name in by.values())
        asked = ", ".join([*picked, *_aggregates(usual.measures, first=first)])
        grouped = f" WHERE {there} GROUP BY {', '.join(by.values())}" if by else ""
        measured.append((f"usual_{number}", f"SELECT {asked} FROM {table}{grouped}"))
    made = []
    for condition, (table, keys, rows) in populations.items():
        columns = [*_aliased(keys), *(f"{row} AS r{number}" for number, row in enumerate(rows) if row)]
        made.append((table, f"SELECT {', '.join(columns) or '1 AS one'} FROM {relation} WHERE {condition}"))
    return [*made, *measured]


def _compared(rule: Rule) -> str:
    own = [*rule.keys, "run", *ALWAYS, *(measure.name for measure in rule.measures)]
    joins, names = [], [f"measured.{name} AS {name}" for name in own]
    for number, usual in enumerate(rule.usual):
        table = f"usual_{number}"
        names += [f"{table}.{measure.name} AS {measure.name}" for measure in usual.measures]
        same = " AND ".join(f"measured.{key} = {table}.{key}" for key in usual.by)
        joins.append(f" LEFT JOIN {table} ON {same}" if usual.by else f" CROSS JOIN {table}")
    return f"SELECT {', '.join(names)} FROM measured{''.join(joins)}"


def _derived(table: str, derived: Mapping[str, str]) -> str:
    return f"SELECT {', '.join(['*', *(f'{sql} AS {name}' for name, sql in derived.items())])} FROM {table}"


def _peered(peers: Peers | None) -> str:
    if peers is None:
        return "SELECT * FROM derived"
    window = [f"PARTITION BY {', '.join(peers.by)}"] if peers.by else []
    if peers.within_ms is not None:
        window.append(f"ORDER BY first_ts RANGE BETWEEN {peers.within_ms} PRECEDING AND {peers.within_ms} FOLLOWING")
    measured = ", ".join(f"{sql} OVER ({' '.join(window)}) AS {name}" for name, sql in peers.measures.items())
    return f"SELECT *, {measured} FROM derived WHERE {peers.where}"


def _merged_neighbours(rule: Rule) -> list[tuple[str, str]]:
    """Join neighbouring stretches that qualified into one episode, and measure it anew over all its events."""
    keys = tuple(rule.keys)
    listed = ", ".join(keys)
    extras = [measure.name for usual in rule.usual for measure in usual.measures]
    extras += list(rule.peers.measures) if rule.peers else []
    same = " AND ".join(f"placed.{key} = islands.{key}" for key in keys)
    rows = [
        f"placed.{name} AS {name}" for name in (*keys, "ts", *(f"r{n}" for n, m in enumerate(rule.measures) if m.row))
    ]
    carried = [f"max({name}) AS {name}" for name in extras]
    return [
        (
            "islands",
            f"SELECT {', '.join([*keys, 'run', *extras])}, "
            f"run - row_number() OVER (PARTITION BY {listed} ORDER BY run) AS island FROM qualified",
        ),
        (
            "joined",
            f"SELECT {', '.join([*rows, *(f'islands.{name} AS {name}' for name in (*extras, 'island'))])} "
            f"FROM placed JOIN islands ON {same} AND placed.run = islands.run",
        ),
        ("remeasured", _measured(rule.measures, keys=keys, run="island", rows="joined", more=carried)),
        ("merged", _derived("remeasured", rule.derived)),
    ]
