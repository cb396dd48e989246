"""Writing what happened as a real company's logs: several systems, several shapes, several files."""

from collections.abc import Callable
from datetime import UTC
from pathlib import Path

from tocsin.events import commands as events
from tocsin.kernel import clock
from tocsin.rehearsals import traffic, workplace
from tocsin.rehearsals.company import Company
from tocsin.rehearsals.traffic import Slice

_ISO = "strftime(make_timestamp_ms(ts), '%Y-%m-%dT%H:%M:%S.%gZ')"
_CLF = "strftime(make_timestamp_ms(ts), '%d/%b/%Y:%H:%M:%S +0000')"
# A slice is the unit of memory: about this many lines are held at once.
_LINES_PER_SLICE = 500_000
PLANTED = {"api": traffic.API, "auth": traffic.AUTH, "web": traffic.WEB, "staff_events": workplace.STAFF}


def prepare(generator: events.Generator) -> None:
    """Make the tables attacks are planted in, and the one that remembers which clients were seen."""
    for table, columns in PLANTED.items():
        generator.load(f"planted_{table}", columns, ())
    generator.run("CREATE TABLE seen (account VARCHAR, platform VARCHAR, app_version VARCHAR)")


def write(generator: events.Generator, firm: Company, *, folder: Path, progress: Callable[[float], None]) -> int:
    """Make and write every slice into ``folder``; return the number of lines. ``progress`` is told the share done."""
    lines = 0
    parts = traffic.slices(generator, firm, count=max(2, firm.lines // _LINES_PER_SLICE))
    for number, part in enumerate(parts):
        traffic.fill(generator, firm, part)
        workplace.fill(generator, firm, part)
        lines += _write_slice(generator, firm, part, folder=folder)
        progress((number + 1) / len(parts))
    return lines


def _write_slice(generator: events.Generator, firm: Company, part: Slice, *, folder: Path) -> int:
    bounds = f"ts >= {part.first_ts} AND ts < {part.last_ts}"
    for table, columns in PLANTED.items():
        listed = ", ".join(columns)
        generator.run(f"INSERT INTO {table} ({listed}) SELECT {listed} FROM planted_{table} WHERE {bounds}")
    within = (
        f"ts >= {firm.first_ts} AND ts < {firm.last_ts}"  # a session may run over the end of its slice, not of the logs
    )
    for table in ("api", "auth"):
        generator.run(f"DELETE FROM {table} WHERE NOT ({within})")
    generator.run(
        """
        INSERT INTO seen (SELECT DISTINCT account, platform, app_version FROM api WHERE account IS NOT NULL
            UNION SELECT DISTINCT account, platform, app_version FROM auth WHERE account IS NOT NULL) EXCEPT FROM seen
        """
    )
    stamp = f"{clock.from_ms(part.first_ts).astimezone(UTC):%Y-%m-%d-%H%M}"
    tools = "(path IS NULL OR NOT regexp_matches(path, '/(?:payments|password)'))"
    return sum(
        (
            generator.write_json_lines(_json("ts", traffic.API, "api", "true"), folder / f"api-access-{stamp}.jsonl"),
            generator.write_json_lines(_json("time", traffic.AUTH, "auth", "true"), folder / f"auth-{stamp}.jsonl"),
            generator.write_json_lines(
                _json("time", workplace.STAFF, "staff_events", tools), folder / f"staff-tools-{stamp}.jsonl"
            ),
            generator.write_json_lines(
                _json("time", workplace.STAFF, "staff_events", "path LIKE '%/payments'"),
                folder / f"payments-{stamp}.jsonl",
            ),
            generator.write_json_lines(
                _json("time", workplace.STAFF, "staff_events", "path LIKE '%/password-%'"),
                folder / f"credentials-{stamp}.jsonl",
            ),
            generator.write_lines(_combined(within), folder / f"web-edge-{stamp}.log.gz"),
        )
    )


def _json(stamp: str, columns: dict[str, str], table: str, condition: str) -> str:
    rest = ", ".join(name for name in columns if name != "ts")
    return f'SELECT {_ISO} AS "{stamp}", {rest} FROM (SELECT * FROM {table} WHERE {condition} ORDER BY ts)'


def _combined(condition: str) -> str:
    """nginx's ``combined``: address, two dashes, stamp, request, status, bytes, referrer, user agent."""
    return (
        f"SELECT ip || ' - - [' || {_CLF} || '] \"' || method || ' ' || path || ' HTTP/1.1\" ' || status || ' ' "
        f"|| bytes || ' \"' || referrer || '\" \"' || ua || '\"' FROM (SELECT * FROM web WHERE {condition} ORDER BY ts)"
    )
