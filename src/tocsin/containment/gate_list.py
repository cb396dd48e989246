"""Publishing the gate's list: of all plans in force, as one file that is read back before it counts."""

import os
import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from tocsin.containment import gate_build, gate_epochs, gate_file, gate_keys, gate_plans
from tocsin.containment.errors import ListNotWritten
from tocsin.containment.gate_build import Told
from tocsin.containment.gate_demands import DONE_BY_CHANGE, Rulebook
from tocsin.containment.gate_file import ListFile, Written
from tocsin.containment.gate_plans import LIFTED, LIFTED_WORD, Source
from tocsin.containment.values import GateList, ListReason
from tocsin.events import queries as events
from tocsin.journal import commands as journal
from tocsin.journal.values import Author
from tocsin.kernel import clock
from tocsin.kernel.language import gettext as _
from tocsin.kernel.loading import lazily
from tocsin_gate import Gate, SnapshotRefused

models = lazily("tocsin.containment.models")

NAME = "list.tcs"  # what gates on this machine map; the feed hands out the same file under its number
VALID = timedelta(days=30)
RENEWED_BEFORE = timedelta(days=15)
KEPT = 2  # lists on the disk: the one in force, and the one a slow gate may still be fetching


def publish_list(*, reason: str, by: Author, told: Told = lambda _stage: None) -> GateList:
    """Publish the list of every plan in force as a new epoch and return it.

    Written under its number, read back with the gate's own reader, then recorded with its journal entry, then put in
    the place gates look at: whatever is in force has an entry, and what a crash left behind is settled by the next run.
    """
    with gate_epochs.alone("publishing"):
        return publish_alone(reason=reason, by=by, told=told)


def publish_alone(*, reason: str, by: Author, told: Told = lambda _stage: None) -> GateList:
    """Publish as ``publish_list`` does, for a caller that holds the lock of publishing already."""
    _settle()
    until, made_at = gate_plans.looked_at_until(), clock.now()
    found = gate_plans.sources()
    last = _last_row()
    epoch = gate_epochs.take_epoch(above=last.number if last else 0)
    written = _build(found, epoch=epoch, made_at=made_at, told=told)
    _read_back(written)
    row = _record(written, found=found, reason=reason, made_at=made_at, until=until, by=by)
    _put_in_place(row)
    _clear_away(row.number)
    return _value(row)


def settle_lists() -> None:
    """Finish or clear away what a killed publication left behind."""
    with gate_epochs.alone("publishing"):
        _settle()


def list_due() -> ListReason | None:
    """Return why a new epoch is due, or None: plans or waves changed, the list nears its end, or its file is lost."""
    found, last = gate_plans.made_from(gate_plans.sources()), _last_row()
    if last is None:
        return ListReason.FIRST if found else None
    if last.made_from != found:
        return ListReason.PLANS_CHANGED
    if not path_of(last.number).is_file():
        return ListReason.FILE_LOST
    if found and last.not_after and last.not_after - clock.now() < RENEWED_BEFORE:
        return ListReason.RENEWED
    return None


def list_in_force() -> GateList | None:
    """Return the last list that was published, or None before the first."""
    row = _last_row()
    return _value(row) if row else None


def path_of(epoch: int) -> Path:
    """Return where the list of an epoch lies."""
    return _lists() / f"{epoch}.tcs"


def _lists() -> Path:
    folder = gate_epochs.folder() / "lists"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _last_row() -> Any:
    return models.GateEpoch.objects.order_by("-number").first()


def _value(row: Any) -> GateList:
    return GateList(
        epoch=row.number, path=path_of(row.number), sha256=row.sha256, accounts=row.accounts, bytes=row.bytes,
        made_at=row.made_at, not_after=row.not_after, plans=tuple(row.plans), reason=row.reason,
    )  # fmt: skip


def _build(found: Sequence[Source], *, epoch: int, made_at: datetime, told: Told) -> Written:
    book = Rulebook()
    for source in found:
        for rule in source.everyone:
            book.add_rule(rule, everyone=True, since_ms=source.since_ms)
    readable = [source.file for source in found]
    lists = _lists()
    with (
        gate_build.workplace(lists) as work,
        events.EventStore(
            [], scratch=work, readable=readable, memory_megabytes=gate_build.MEMORY_MEGABYTES, ordered=False
        ) as store,
    ):
        told(gate_build.READING)
        accounts = _stage(store, found=found, book=book, work=work)
        told(gate_build.SORTING)
        sorted_rows = gate_build.sort(store, accounts, book=book, work=work)
        told(gate_build.SIGNING)
        return gate_build.write(
            path_of(epoch), found=sorted_rows, book=book, epoch=epoch, made_at_ms=clock.to_ms(made_at),
            not_after_ms=clock.to_ms(made_at + VALID),
        )  # fmt: skip


def _stage(store: events.EventStore, *, found: Sequence[Source], book: Rulebook, work: Path) -> str:
    """Hash the accounts of begun waves into a passing Parquet file, and return the SELECT of number and code."""
    _load_progress(store, found=found, work=work)
    parts = [
        f"SELECT p.account, {source.plan} AS plan, p.combination, coalesce(o.outcome, '') AS outcome "
        f"FROM read_parquet({events.quoted(str(source.file.resolve()))}) p "
        f"LEFT JOIN outcomes o ON o.plan = {source.plan} AND o.account = p.account "
        f"WHERE p.wave BETWEEN 1 AND {source.wave}"
        for source in found
        if source.wave
    ]
    nobody = "SELECT NULL::VARCHAR AS account, 0 AS plan, 0 AS combination, '' AS outcome WHERE false"
    staged = work / "staged.parquet"
    number, second = gate_build.number_sql("account"), gate_build.second_number_sql("account")
    store.copy_parquet(
        f"SELECT {number} AS h, {second} AS second, plan, combination, outcome "
        f"FROM ({' UNION ALL '.join(parts or [nobody])}) WHERE outcome <> '{LIFTED_WORD}'",
        staged,
        compression="uncompressed",
    )
    typed = {"plan": "INTEGER", "combination": "INTEGER", "outcome": "VARCHAR", "code": "UINTEGER"}
    store.load("asked", typed, _codes(store, staged=staged, found=found, book=book))
    return (
        f"SELECT s.h, s.second, a.code FROM read_parquet({events.quoted(str(staged.resolve()))}) s "
        "JOIN asked a USING (plan, combination, outcome) WHERE a.code > 0"
    )


def _codes(
    store: events.EventStore, *, staged: Path, found: Sequence[Source], book: Rulebook
) -> list[tuple[int, int, str, int]]:
    plans = {source.plan: source for source in found}
    codes = []
    file = events.quoted(str(staged.resolve()))
    for row in store.rows(f"SELECT DISTINCT plan, combination, outcome FROM read_parquet({file}) ORDER BY ALL"):
        source, outcome = plans[row["plan"]], row["outcome"]
        asks = source.standing(combination=row["combination"], wave=source.wave, state="", done=outcome.split())
        code = book.code_of(asks, reference=source.reference)
        codes.append((source.plan, row["combination"], outcome, code))
    return codes


def _load_progress(store: events.EventStore, *, found: Sequence[Source], work: Path) -> None:
    """Bring over which accounts were lifted, or did what only a change can tell the gate, by way of a passing file."""
    kinds = sorted(kind.value for kind in DONE_BY_CHANGE)
    listed = " || ' ' || ".join(f"CASE WHEN g.measures_done ? '{kind}' THEN '{kind}' ELSE '' END" for kind in kinds)
    sql = (
        f"COPY (SELECT p.number, g.account, CASE WHEN g.state = ANY(%(lifted)s) THEN '{LIFTED_WORD}' "
        f"ELSE trim({listed}) END FROM tocsin_containmentprogress g JOIN tocsin_containmentplan p ON p.id = g.plan_id "
        "WHERE p.number = ANY(%(plans)s) AND (g.state = ANY(%(lifted)s) OR g.measures_done ?| %(kinds)s)) "
        "TO STDOUT (FORMAT csv)"
    )
    bound = {"lifted": [each.value for each in LIFTED], "plans": [each.plan for each in found], "kinds": kinds}
    passing = work / "progress.csv"
    with passing.open("wb") as handle, connection.cursor() as cursor, cursor.copy(sql, bound) as copying:
        while piece := copying.read():
            handle.write(piece)
    store.temporary(
        "outcomes",
        f"SELECT * FROM read_csv({events.quoted(str(passing.resolve()))}, header = false, auto_detect = false, "
        "delim = ',', quote = '\"', escape = '\"', nullstr = '\\N', "
        "columns = {'plan': 'INTEGER', 'account': 'VARCHAR', 'outcome': 'VARCHAR'})",
    )


def _read_back(written: Written) -> None:
    """Open the file as a gate does, with what a gate is given: every hash and the signature are checked."""
    try:
        status = Gate(written.path, trust=gate_keys.trust(), clock=lambda: clock.now().timestamp()).status()
    except SnapshotRefused as error:
        written.path.unlink()
        raise ListNotWritten(
            _("The list was written but does not hold: {reason}.").format(reason=error.what),
            where=written.path,
            mend=_("The list before stays in force. Check the disk, then publish again."),
        ) from error
    if (status.epoch, status.accounts) != (written.epoch, written.accounts):
        raise ListNotWritten(_("The list was written but reads otherwise."), where=written.path)


def _record(
    written: Written, *, found: Sequence[Source], reason: str, made_at: datetime, until: datetime, by: Author
) -> Any:
    with transaction.atomic():
        row = models.GateEpoch.objects.create(
            number=written.epoch, sha256=written.sha256, accounts=written.accounts, bytes=written.bytes,
            made_at=made_at, not_after=made_at + VALID, plans=[each.plan for each in found], reason=reason,
            made_from=gate_plans.made_from(found), followed_until=until,
        )  # fmt: skip
        journal.write(
            verb="containment.gate_list_published", subject=f"gate_epoch:{written.epoch}", by=by,
            facts={
                "epoch": written.epoch, "accounts": written.accounts, "sha256": written.sha256, "reason": reason,
                "made_from": row.made_from,
            },
        )  # fmt: skip
    return row


def _put_in_place(row: Any) -> None:
    """Give the list the name gates look at: a second name of the same file, renamed over the one before."""
    place = gate_epochs.folder() / NAME
    aside = place.with_name(f".{NAME}.{os.getpid()}.aside")
    aside.unlink(missing_ok=True)
    os.link(path_of(row.number), aside)
    aside.replace(place)
    gate_file.sync_folder(place.parent)


def _settle() -> None:
    """Clear away lists without a row (never in force), and put the last recorded one in its place."""
    row = _last_row()
    for left_over in _lists().iterdir():
        if left_over.is_dir():
            shutil.rmtree(left_over)
        elif left_over.suffix == ".aside" or _epoch_of(left_over) > (row.number if row else 0):
            left_over.unlink()
    if row is not None and path_of(row.number).is_file() and _epoch_in_place() != row.number:
        _put_in_place(row)


def _epoch_in_place() -> int:
    place = gate_epochs.folder() / NAME
    return ListFile(place).epoch if place.is_file() else 0


def _clear_away(epoch: int) -> None:
    """Keep this list and the one before."""
    kept = sorted({_epoch_of(path) for path in _lists().glob("*.tcs")} - {epoch}, reverse=True)[: KEPT - 1]
    for path in _lists().iterdir():
        if path.is_file() and _epoch_of(path) not in (epoch, *kept):
            path.unlink()


def _epoch_of(path: Path) -> int:
    """Return the epoch a file belongs to: ``7.tcs``, ``7.followed``, or an unfinished ``.7.tcs.<digits>.aside``."""
    return int(path.name.lstrip(".").split(".")[0])
