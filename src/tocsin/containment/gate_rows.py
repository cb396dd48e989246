"""CSV files of accounts and measures to a list: read set-based; every bad line is named before anything is written."""

import csv
import gzip
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, cast

from tocsin.containment import gate_asked, gate_build, gate_epochs
from tocsin.containment.errors import ListNotUnderstood
from tocsin.containment.gate_asked import Asked, NotUnderstood
from tocsin.containment.gate_build import Told
from tocsin.containment.gate_demands import Rulebook, rounded_up
from tocsin.events import queries as events
from tocsin.events.errors import QueryRefused
from tocsin.kernel import clock
from tocsin.kernel.language import format_number, gettext as _, ngettext

BAD_LINES_SHOWN = 20
ASKINGS_MAX = 1_000_000  # different lines beside their accounts; each is described in the list's header
DAY_MS = 24 * 60 * 60 * 1000
COLUMNS = ("account", "measures", "since", "platform", "version_min", "client")
RULE_COLUMNS = ("platform", "version_min", "unknown", "client")
_ASKING = COLUMNS[1:]
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Built:
    """What was built. ``by_combination`` counts the accounts of each set of measures; ``nothing`` asked for none."""

    path: Path
    epoch: int
    accounts: int
    rows: int
    nothing: int
    repeated: int
    shared: int
    combinations: int
    width: int
    rules: int
    bytes: int
    sha256: str


@contextmanager
def _store(source: Path, *, work: Path) -> Iterator[events.EventStore]:
    with events.EventStore(
        [], scratch=work, readable=[source], memory_megabytes=gate_build.MEMORY_MEGABYTES, ordered=False
    ) as store:
        yield store


def build_list(
    rows_file: Path,
    *,
    out: Path,
    rules_file: Path | None = None,
    valid_days: int = 30,
    epoch: int | None = None,
    reference: str = "",
    told: Told = lambda _stage: None,
) -> Built:
    """Build and sign a list from a CSV file (plain or gzip) into ``out``; no database is needed.

    Raises ListNotUnderstood with every bad line (the first 20), and then nothing was written.
    """
    now_ms = clock.to_ms(clock.now())
    book = Rulebook()
    for rule in _rules(rules_file) if rules_file else ():
        book.add_rule(rule, everyone=True, since_ms=rounded_up(now_ms))
    columns = _columns_of(rows_file)
    with gate_build.workplace(out.resolve().parent) as work, _store(rows_file, work=work) as store:
        told(gate_build.READING)
        rows = _stage(store, rows_file, columns=columns, work=work)
        nothing = _ask(store, rows_file, columns=columns, book=book, now_ms=now_ms, reference=reference)
        told(gate_build.SORTING)
        on = " AND ".join(f"s.{name} IS NOT DISTINCT FROM a.{name}" for name in _ASKING)
        accounts = (
            f"SELECT s.h, s.second, a.code FROM staged s JOIN asked a ON {on} WHERE s.h IS NOT NULL AND a.code > 0"
        )
        found = gate_build.sort(store, accounts, book=book, work=work)
        told(gate_build.SIGNING)
        written = gate_build.write(
            out, found=found, book=book, epoch=gate_epochs.take_epoch(epoch), made_at_ms=now_ms,
            not_after_ms=now_ms + valid_days * DAY_MS,
        )  # fmt: skip
    return Built(
        path=out, epoch=written.epoch, accounts=written.accounts, rows=rows, nothing=nothing, repeated=found.repeated,
        shared=found.shared, combinations=len(book.combinations), width=found.columns.width, rules=len(book.rules),
        bytes=written.bytes, sha256=written.sha256,
    )  # fmt: skip


def _packed(path: Path) -> bool:
    with path.open("rb") as handle:
        return handle.read(2) == _GZIP


def _text_of(path: Path) -> TextIO:
    """Open a CSV file as text, unpacked where it is gzip."""
    opened = gzip.open if _packed(path) else open
    return cast("TextIO", opened(path, "rt", encoding="utf-8-sig", errors="replace", newline=""))


def _columns_of(path: Path, *, known: Sequence[str] = COLUMNS) -> list[str]:
    """Return the columns a CSV file begins with."""
    try:
        with _text_of(path) as text:
            columns = [name.strip().lower() for name in next(csv.reader(text), [])]
    except (OSError, EOFError) as error:
        raise ListNotUnderstood(str(error), where=path) from error
    strangers = [name for name in columns if name not in known]
    needed = ("account", "measures") if known is COLUMNS else ()
    if not columns or strangers or len(set(columns)) < len(columns) or not set(needed) <= set(columns):
        raise ListNotUnderstood(
            _("The first line must name the columns; it says {line}.").format(line=repr(",".join(columns)[:200])),
            where=f"{path}:1",
            mend=_("Known are {known}; account and measures are needed.").format(known=", ".join(known))
            if needed
            else _("Known are {known}.").format(known=", ".join(known)),
        )
    return columns


def _rules(path: Path) -> Iterator[Any]:
    """Yield the rules for everybody that a CSV file says."""
    columns, bad = _columns_of(path, known=RULE_COLUMNS), list[tuple[int, str]]()
    for line, row in _lines(path):
        if len(row) != len(columns):
            bad.append((line, _wrong_columns(len(row), wanted=len(columns))))
            continue
        said = dict.fromkeys(RULE_COLUMNS, "") | dict(zip(columns, row, strict=True))
        try:
            yield gate_asked.rule_of(**said)
        except NotUnderstood as error:
            bad.append((line, str(error)))
    if bad:
        raise _refused(path, bad=bad, count=len(bad))


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (number of its last line, fields) of every row after the first."""
    with _text_of(path) as text:
        reader = csv.reader(text, strict=True)
        next(reader, None)
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield reader.line_num, [str(error)] * 99
                continue
            if row:
                yield reader.line_num, row


def _stage(store: events.EventStore, path: Path, *, columns: Sequence[str], work: Path) -> int:
    """Read the file once: a passing Parquet file of numbers and what is asked, the view ``staged``. Return its rows."""
    packing = "gzip" if _packed(path) else "none"
    typed = ", ".join(f"'{name}': 'VARCHAR'" for name in columns)
    read = (
        f"read_csv({events.quoted(str(path.resolve()))}, header = true, auto_detect = false, delim = ',', "
        f"quote = '\"', escape = '\"', nullstr = '', strict_mode = true, columns = {{{typed}}}, "
        f"compression = '{packing}', store_rejects = true, rejects_limit = 0, max_line_size = 1048576)"
    )
    asking = ", ".join(name if name in columns else f"NULL::VARCHAR AS {name}" for name in _ASKING)
    numbers = f"{gate_build.number_sql('account')} AS h, {gate_build.second_number_sql('account')} AS second"
    staged = work / "staged.parquet"
    try:
        store.copy_parquet(f"SELECT {numbers}, {asking} FROM {read}", staged, compression="uncompressed")
    except QueryRefused as error:
        raise ListNotUnderstood(
            _("The file cannot be read as CSV: {error}").format(error=str(error).splitlines()[0]), where=path,
            mend=_("Write UTF-8 with commas, and quotes where a value has a comma."),
        ) from error  # fmt: skip
    store.view("staged", f"SELECT * FROM read_parquet({events.quoted(str(staged.resolve()))})")
    return store.count("SELECT 1 FROM staged")


def _ask(
    store: events.EventStore, path: Path, *, columns: Sequence[str], book: Rulebook, now_ms: int, reference: str
) -> int:
    """Understand every different asking once: the table ``asked`` with its code. Return the rows that ask nothing."""
    named = ", ".join(_ASKING)
    found = store.rows(
        f"SELECT {named}, h IS NULL AS everybody, count(*) AS n FROM staged GROUP BY ALL LIMIT {ASKINGS_MAX + 1}"
    )
    if len(found) > ASKINGS_MAX:
        raise ListNotUnderstood(
            _("The lines ask more than {most} different things.").format(most=format_number(ASKINGS_MAX)), where=path,
            mend=_("Give one containment time to many accounts; only who needs a later one gets another."),
        )  # fmt: skip
    codes: list[tuple[Any, ...]] = []
    wrong: dict[Asked, str] = {}
    bad = store.count("SELECT DISTINCT scan_id, line FROM reject_errors")
    nothing = 0
    for row in found:
        asked = asked_of(row, everybody=row["everybody"])
        try:
            demands = gate_asked.demands_of(asked, now_ms=now_ms)
        except NotUnderstood as error:
            wrong[asked] = str(error)
            bad += row["n"]
            continue
        if asked.everybody:
            for each in sorted(demands):
                if each.rule is not None:
                    book.add_rule(each.rule, everyone=True, since_ms=each.since_ms)
            continue
        nothing += 0 if demands else row["n"]
        codes.append((*(row[name] for name in _ASKING), book.code_of(demands, reference=reference)))
    if bad:
        raise _refused(path, bad=_bad_lines(path, columns=columns, wrong=wrong), count=bad)
    store.load("asked", {**dict.fromkeys(_ASKING, "VARCHAR"), "code": "UINTEGER"}, codes)
    return nothing


def asked_of(row: Mapping[str, Any], *, everybody: bool) -> Asked:
    """Return the values of a row, absent ones as empty texts."""
    return Asked(**{name: row.get(name) or "" for name in _ASKING}, everybody=everybody)


def _bad_lines(path: Path, *, columns: Sequence[str], wrong: Mapping[Asked, str]) -> list[tuple[int, str]]:
    """Go through the file line by line until enough bad ones are found: slow, but only ever done to mend it."""
    bad: list[tuple[int, str]] = []
    for line, row in _lines(path):
        if len(row) != len(columns):
            bad.append((line, _wrong_columns(len(row), wanted=len(columns))))
        else:
            said = dict(zip(columns, row, strict=True))
            asked = asked_of(said, everybody=not said["account"])
            if asked in wrong:
                bad.append((line, wrong[asked]))
            elif any("\ufffd" in value for value in row):
                bad.append((line, _("it is not UTF-8.")))
        if len(bad) == BAD_LINES_SHOWN:
            break
    return bad


def _wrong_columns(found: int, *, wanted: int) -> str:
    if found == 99:
        return _("its quotes do not match.")
    return _("it has {found} values for {wanted} columns.").format(found=found, wanted=wanted)


def _refused(path: Path, *, bad: Sequence[tuple[int, str]], count: int) -> ListNotUnderstood:
    count = max(count, len(bad))
    lines = "\n".join(f"  {path}:{line}: {what}" for line, what in bad)
    words = ngettext("{n} line cannot be understood", "{n} lines cannot be understood", count)
    return ListNotUnderstood(
        words.format(n=format_number(count)) + ":\n" + lines,
        where=path,
        mend=_("Nothing was written. Mend the lines and run the command again."),
    )
