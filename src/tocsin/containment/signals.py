"""Streams of security event tokens we receive: their settings, the tokens kept, and what they come to."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace as changed
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from tocsin.containment.done import Recorded, record_facts
from tocsin.containment.errors import NoSuchStream, StreamNotUnderstood
from tocsin.containment.systems import check_may_connect
from tocsin.containment.values import DoneBy, DoneFact, DoneKind, SignalNews, SignalOutcome, Stream
from tocsin.events import queries as events
from tocsin.journal import commands as journal
from tocsin.journal.values import MACHINE, Author
from tocsin.kernel import clock
from tocsin.kernel.language import gettext as _
from tocsin.kernel.loading import lazily
from tocsin.staff import secrets as sealing

django_models = lazily("django.db.models")
models = lazily("tocsin.containment.models")

RECORDED_AT_ONCE = 20_000
# How a name becomes an account: it is the account's own id, or an alias in a file account,alias,...
WAYS = ("account", "alias")
_KEEP = """
INSERT INTO tocsin_signaltoken (stream_id, received_at, jti, outcome, detail)
SELECT %s, %s, told.* FROM unnest(%s::text[], %s::text[], %s::text[]) told ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Placed:
    """What a batch of kept tokens came to."""

    taken: int
    unmapped: int
    recorded: Recorded


def add_stream(
    name: str, *, issuer: str, audience: str, settings: Mapping[str, Any], secrets: Mapping[str, str],
    replace: bool = False, by: Author,
) -> Stream:  # fmt: skip
    """Receive from a transmitter under a name, sealing the secrets.

    ``replace`` changes the settings of a stream there is; tokens that could not be placed are tried again then.
    """
    check_may_connect(by)
    _check(name, settings=settings)
    with transaction.atomic(), sealing.unchanged_key():
        row = models.SignalStream.objects.select_for_update().filter(name=name).first()
        connected = row is not None and row.removed_at is None
        if connected and not replace:
            raise StreamNotUnderstood(
                _("A stream called {name} is received already.").format(name=name),
                mend=_("Choose another name, or change this one with --replace."),
            )
        row = row or models.SignalStream(name=name, added_at=clock.now())
        row.issuer, row.audience, row.settings, row.removed_at = issuer, audience, dict(settings), None
        row.sealed = sealing.seal(json.dumps(dict(secrets)).encode(), about=about(row.id))
        row.save()
        again = models.SignalToken.objects.filter(stream=row, outcome=SignalOutcome.UNMAPPED).exclude(detail="")
        again.update(outcome=SignalOutcome.WAITING)
        facts = {"name": name, "issuer": issuer, "audience": audience, "settings": dict(settings)}
        journal.write(
            verb="containment.stream_changed" if connected else "containment.stream_added",
            subject=about(row.id), by=by, facts={**facts, "secrets": sorted(secrets)},
        )  # fmt: skip
    return stream(name)


def remove_stream(name: str, *, reason: str, by: Author) -> None:
    """Receive nothing from a transmitter any more, and forget the secrets; what it told is kept."""
    check_may_connect(by)
    with transaction.atomic():
        row = _row(name, locked=True)
        row.removed_at, row.sealed = clock.now(), b""
        row.save(update_fields=["removed_at", "sealed"])
        facts = {"name": name, "reason": reason}
        journal.write(verb="containment.stream_removed", subject=about(row.id), by=by, facts=facts)


def keep_news(received: Stream, *, news: Sequence[SignalNews]) -> int:
    """Keep what believed tokens of a stream tell, each once by its ``jti``; return how many are new.

    When this returns they are on disk: only then may a transmitter be told so. The journal's entry follows with the
    batch in which they are recorded.
    """
    rows = [(each.jti, each.outcome.value, _detail(each)) for each in news]
    with connection.cursor() as cursor:  # one statement: pushed tokens come one by one, and many
        cursor.execute(_KEEP, [received.id, clock.now(), *([row[n] for row in rows] for n in range(3))])
        return int(cursor.rowcount)


def record_news(*, limit: int = RECORDED_AT_ONCE, by: Author = MACHINE) -> Placed:
    """Record what the oldest waiting tokens tell about accounts; run it again until nothing was taken."""
    with transaction.atomic():
        waiting = models.SignalToken.objects.select_for_update(skip_locked=True, of=("self",))
        tokens = list(
            waiting.filter(outcome=SignalOutcome.WAITING).select_related("stream").order_by("id")[:limit]
        )  # fmt: skip
        facts: list[DoneFact] = []
        for stored in {token.stream_id: token.stream for token in tokens}.values():
            facts += _placed(stored, tokens=[token for token in tokens if token.stream_id == stored.id])
        models.SignalToken.objects.bulk_update(tokens, ["outcome", "detail"], batch_size=2000)
        recorded = record_facts(facts, by=by)
        placed = Placed(taken=len(tokens), unmapped=len(tokens) - len(facts), recorded=recorded)
        if tokens:
            journal.write(
                verb="containment.signals_recorded", subject="containment", by=by,
                facts={"tokens": placed.taken, "unmapped": placed.unmapped, **asdict(recorded)},
            )  # fmt: skip
    return placed


def _placed(stored: Any, *, tokens: Sequence[Any]) -> list[DoneFact]:
    """Return the facts of one stream's tokens, and set what became of each."""
    told = [(token, json.loads(token.detail)) for token in tokens]
    ways: Mapping[str, str] = stored.settings.get("subjects", {})
    sought = sorted({each["name"] for _token, each in told if ways.get(each["format"]) == "alias"})
    aliases = _aliases(stored.settings.get("aliases", ""), sought=sought)
    facts = []
    for token, each in told:
        way = ways.get(each["format"])
        account = each["name"] if way == "account" else aliases.get(each["name"].lower(), "") if way else ""
        token.outcome = SignalOutcome.RECORDED if account else SignalOutcome.UNMAPPED
        if account:
            token.detail = each["event"]
            facts.append(
                DoneFact(
                    account=account, kind=DoneKind(each["kind"]), done_at=datetime.fromisoformat(each["at"]),
                    by=DoneBy.SHARED_SIGNALS, source=stored.name, reference=token.jti,
                )
            )  # fmt: skip
    return facts


def _aliases(file: str, *, sought: Sequence[str]) -> dict[str, str]:
    """Return alias (lower case) -> account of a CSV ``account,alias,...``; one of several accounts is left out."""
    if not file or not sought:
        return {}
    path = Path(file)
    with events.EventStore([], scratch=path.parent) as store:
        store.load("sought", {"alias": "VARCHAR"}, [(name.lower(),) for name in sought])
        rows = store.rows(
            "SELECT lower(alias) AS alias, min(account) AS account FROM (UNPIVOT (SELECT * FROM "
            f"read_csv({events.quoted(str(path.resolve()))}, header = true, all_varchar = true)) "
            "ON COLUMNS(* EXCLUDE account) INTO NAME field VALUE alias) told "
            "SEMI JOIN sought ON lower(told.alias) = sought.alias GROUP BY 1 HAVING count(DISTINCT account) = 1"
        )
    return {row["alias"]: row["account"] for row in rows}


def streams() -> tuple[Stream, ...]:
    """Return the streams that are received, by name, with what came of their tokens."""
    rows = models.SignalStream.objects.filter(removed_at=None).order_by("name")
    return tuple(_counted(_stream_of(row), row=row) for row in rows)


def stream(name: str) -> Stream:
    """Return one stream; NoSuchStream when none that is received has this name."""
    return _stream_of(_row(name))


def opened_stream(name: str) -> tuple[Stream, Mapping[str, str]]:
    """Return one stream with its secrets, opened. They are for its receiver only, and shown never."""
    row = _row(name)
    secrets: dict[str, str] = json.loads(sealing.unseal(bytes(row.sealed), about=about(row.id)))
    return _stream_of(row), secrets


def unmapped(name: str, *, limit: int = 100) -> tuple[tuple[str, str, str], ...]:
    """Return (format, name, event) of the first tokens nobody could be placed for."""
    tokens = models.SignalToken.objects.filter(stream=_row(name), outcome=SignalOutcome.UNMAPPED).order_by("id")
    told = [json.loads(detail) for detail in tokens.values_list("detail", flat=True)[:limit]]
    return tuple((each["format"], each["name"], each["event"]) for each in told)


def _stream_of(row: Any) -> Stream:
    return Stream(
        id=row.id, name=row.name, issuer=row.issuer, audience=row.audience, settings=row.settings,
        added_at=row.added_at, removed_at=row.removed_at,
    )  # fmt: skip


def _counted(received: Stream, *, row: Any) -> Stream:
    tokens = models.SignalToken.objects.filter(stream=row)
    counts = {
        SignalOutcome(each["outcome"]): each["n"]
        for each in tokens.values("outcome").annotate(n=django_models.Count("id"))
    }
    return changed(received, counts=counts, last_at=tokens.aggregate(last=django_models.Max("received_at"))["last"])


def _detail(news: SignalNews) -> str:
    """Return what is kept of a token: what it tells while somebody has to be placed, else only its kind of event."""
    if news.outcome not in (SignalOutcome.WAITING, SignalOutcome.UNMAPPED):
        return news.detail
    told = {"format": news.format, "name": news.name, "event": news.detail, "at": news.happened_at.isoformat()}
    return json.dumps({**told, "kind": news.kind.value if news.kind else ""}, sort_keys=True)


def _check(name: str, *, settings: Mapping[str, Any]) -> None:
    if not name or not name.isprintable() or "/" in name or name != name.strip():
        raise StreamNotUnderstood(
            _("{name} cannot be the name of a stream.").format(name=repr(name)),
            mend=_("Choose a name such as sso-main."),
        )
    wrong = [f"{each}={way}" for each, way in settings.get("subjects", {}).items() if way not in WAYS]
    if wrong:
        raise StreamNotUnderstood(
            _("{wrong} does not say how a name becomes an account.").format(wrong=wrong[0]),
            mend=_("Say account (it is the account's id) or alias (it is in the file of --aliases)."),
        )
    if "alias" in settings.get("subjects", {}).values() and not settings.get("aliases"):
        raise StreamNotUnderstood(_("There is no file to look aliases up in."), mend=_("Name it with --aliases FILE."))


def _row(name: str, *, locked: bool = False) -> Any:
    found = models.SignalStream.objects.select_for_update() if locked else models.SignalStream.objects
    row = found.filter(name=name, removed_at=None).first()
    if row is None:
        raise NoSuchStream(
            _("No stream is called {name}.").format(name=name), mend=_("`tocsin signals list` shows those there are.")
        )
    return row


def about(id: UUID) -> str:
    """Return what its secrets are bound to."""
    return f"signal_stream:{id}"
