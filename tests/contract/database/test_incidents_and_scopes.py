"""Incidents and scope revisions on a real PostgreSQL, with column files written and read by the real store."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from django.db import DatabaseError, connection, transaction

from tocsin.events.values import COLUMNS
from tocsin.incidents import commands as incidents, queries as incident_queries
from tocsin.incidents.errors import FactNotPossible, IncidentClosed, LeadHasIncident, NoSuchIncident
from tocsin.incidents.values import FactKind, NewFact, Severity, Standing
from tocsin.journal import commands as journal, queries as journal_queries
from tocsin.journal.values import Assurance, Author
from tocsin.kernel import clock
from tocsin.scopes import commands, evidence, queries
from tocsin.scopes.errors import (
    AccountInScope,
    EvidenceDamaged,
    NoSuchClaim,
    NoSuchRevision,
    NotAScopeFolder,
    NothingToFreeze,
    NotInScope,
)
from tocsin.scopes.states import RevisionState
from tocsin.scopes.values import Certainty

pytestmark = pytest.mark.usefixtures("rows")

MONA = Author(name="Mona", assurance=Assurance.ASSERTED)
NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
AWARE = NewFact(kind=FactKind.AWARE, happened_at=NOW, standing=Standing.VERIFIED)
HEADER = "account,role,certainty,country,first_at,last_at,data,platform,client_version,reasons,detections"


def declared(*leads: str) -> int:
    return incidents.declare_incident(
        "Someone read", severity=Severity.HIGH, leads=leads, facts=[AWARE], by=MONA
    ).number


def row(account: str, *, certainty: str = "confirmed", last: str = "2026-01-01T01:00:00.000Z") -> str:
    return (
        f'{account},victim,{certainty},FR,2026-01-01T00:00:00.000Z,{last},profile,android,1.3,"read, by a stranger",d1'
    )


def findings(folder: Path, *rows: str) -> Path:
    """Write what an investigation leaves in its folder."""
    (folder / "events").mkdir(parents=True, exist_ok=True)
    (folder / "sources").mkdir(exist_ok=True)
    (folder / "affected.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    (folder / "objects.csv").write_text("object_type,object,owner,operation,count,first_at,last_at,by\n")
    (folder / "detections.jsonl").write_text(json.dumps({"uid": "d1", "rule_id": "internal_access"}) + "\n")
    typed = ", ".join(f"NULL::{column.type} AS {column.name}" for column in COLUMNS)
    duckdb.sql(f"COPY (SELECT {typed}) TO '{folder}/events/abc-00001.parquet' (FORMAT parquet)")
    source = {"source_id": "abc", "path": "/var/log/x", "sha256": "5" * 64, "bytes": 9, "format": "nginx_combined",
              "format_title": "nginx", "lines": 1, "parsed": 1, "rejected": 0, "notes": [], "seal": {}}  # fmt: skip
    (folder / "sources" / "abc.json").write_text(json.dumps(source))
    return folder


def accounts(revision) -> list[str]:
    return sorted(each["account"] for each in queries.affected_rows(revision, limit=100))


def test_an_incident_tells_its_facts_with_their_own_times():
    number = declared("lead1")
    detected = NewFact(kind=FactKind.DETECTED, happened_at=NOW - timedelta(days=2), standing=Standing.VERIFIED)
    incidents.add_fact(number, fact=detected, by=MONA)
    later = NewFact(
        kind=FactKind.AWARE, happened_at=NOW - timedelta(hours=1), standing=Standing.ALLEGED, text="by phone"
    )
    incident = incidents.add_fact(number, fact=later, by=MONA)
    assert [fact.kind for fact in incident.facts] == [FactKind.AWARE, FactKind.DETECTED, FactKind.AWARE]
    assert incident.latest(FactKind.AWARE).text == "by phone"
    assert incident.latest(FactKind.DETECTED).happened_at == NOW - timedelta(days=2)
    assert [entry.verb for entry in journal_queries.entries()] == [
        "incident.declared", "incident.fact_added", "incident.fact_added",
    ]  # fmt: skip


def test_one_open_incident_per_lead_and_another_after_it_is_closed():
    number = declared("lead1", "lead2")
    with pytest.raises(LeadHasIncident, match=f"Incident {number}"):
        declared("lead2", "lead3")
    assert incident_queries.incident_of_lead("lead2").number == number
    assert incident_queries.incident_of_lead("lead3") is None
    incidents.close_incident(number, reason="a drill", by=MONA)
    assert declared("lead2") == number + 1
    assert len(journal_queries.entries()) == 3


def test_impossible_facts_and_closed_incidents_are_refused():
    number = declared()
    with clock.fixed(NOW), pytest.raises(FactNotPossible, match="future"):
        future = NewFact(kind=FactKind.ENDED, happened_at=NOW + timedelta(hours=1), standing=Standing.VERIFIED)
        incidents.add_fact(number, fact=future, by=MONA)
    with pytest.raises(FactNotPossible, match="words"):
        incidents.add_fact(number, fact=NewFact(FactKind.NOTE, NOW, Standing.ALLEGED), by=MONA)
    incidents.close_incident(number, reason="over", by=MONA)
    with pytest.raises(IncidentClosed):
        incidents.add_fact(number, fact=AWARE, by=MONA)
    with pytest.raises(NoSuchIncident):
        incidents.add_fact(77, fact=AWARE, by=MONA)


def test_facts_are_never_changed_by_anybody():
    declared()
    for sql in ("UPDATE tocsin_incidentfact SET text = 'x'", "DELETE FROM tocsin_incidentfact"):
        with pytest.raises(DatabaseError, match="never changed"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)


def test_a_revision_counts_pins_and_says_what_it_stands_on(tmp_path: Path):
    folder = findings(tmp_path, row("anna"), row("bert", certainty="likely"))
    revision = commands.open_revision(declared(), folder=folder, by=MONA)
    assert (revision.number, revision.state, revision.accounts) == (1, RevisionState.DRAFT, 2)
    assert revision.counts["certainty"] == {"confirmed": 1, "likely": 1}
    assert revision.counts["added"] == 2
    assert revision.sources[0]["sha256"] == "5" * 64
    for pin in revision.pins:
        kept = evidence.path_of(pin.sha256)
        assert hashlib.sha256(kept.read_bytes()).hexdigest() == pin.sha256
        assert kept.stat().st_mode & 0o777 == 0o600
    assert {pin.kind for pin in revision.pins} == {"accounts", "affected", "objects", "detections", "segment"}
    assert evidence.folder().stat().st_mode & 0o777 == 0o700


def test_the_operators_files_may_go_and_the_scope_can_still_be_asked(tmp_path: Path):
    folder = findings(tmp_path, row("anna"))
    number = declared()
    commands.open_revision(number, folder=folder, by=MONA)
    for file in folder.rglob("*.*"):
        file.write_text("overwritten")
    why = queries.why(number, account="anna")
    assert why.row["reasons"] == "read, by a stranger"
    assert why.detections[0]["rule_id"] == "internal_access"
    assert commands.freeze_scope(number, by=MONA).digest


def test_a_second_investigation_makes_a_revision_with_what_was_added_and_removed(tmp_path: Path):
    number = declared()
    commands.open_revision(number, folder=findings(tmp_path / "a", row("anna"), row("bert")), by=MONA)
    second = findings(tmp_path / "b", row("bert", certainty="likely"), row("cleo"), row("dora"))
    revision = commands.open_revision(number, folder=second, by=MONA)
    assert [each.state for each in queries.revisions(number)] == [RevisionState.SUPERSEDED, RevisionState.DRAFT]
    difference = queries.difference(number, earlier=1, later=2)
    assert (difference.added, difference.removed, difference.changed) == (("cleo", "dora"), ("anna",), ("bert",))
    assert (revision.counts["added"], revision.counts["removed"], revision.counts["changed"]) == (2, 1, 1)


def test_a_frozen_revision_has_a_digest_and_nobody_can_change_it_or_its_pins(tmp_path: Path):
    number = declared()
    commands.open_revision(number, folder=findings(tmp_path, row("anna")), by=MONA)
    frozen = commands.freeze_scope(number, by=MONA)
    assert frozen.state is RevisionState.FROZEN
    assert frozen.digest == commands.digest_of(frozen, incident_id=incident_queries.id_of(number))
    with pytest.raises(NothingToFreeze):
        commands.freeze_scope(number, by=MONA)
    for sql in (
        "UPDATE tocsin_scoperevision SET accounts = 0",
        "DELETE FROM tocsin_scoperevision",
        "UPDATE tocsin_scopepin SET sha256 = ''",
        "DELETE FROM tocsin_scopepin",
        "INSERT INTO tocsin_scopepin (revision_id, kind, name, sha256, bytes) SELECT id, 'x', 'x', 'x', 1 FROM tocsin_scoperevision",
        "TRUNCATE tocsin_scoperevision CASCADE",
    ):
        with pytest.raises(DatabaseError, match="never changed"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)
    assert queries.revision(number).digest == frozen.digest


def test_damaged_evidence_is_not_frozen(tmp_path: Path):
    number = declared()
    revision = commands.open_revision(number, folder=findings(tmp_path, row("anna")), by=MONA)
    segment = next(pin for pin in revision.pins if pin.kind == "segment")
    evidence.path_of(segment.sha256).write_bytes(b"changed")
    with pytest.raises(EvidenceDamaged, match="content changed"):
        commands.freeze_scope(number, by=MONA)
    evidence.path_of(segment.sha256).unlink()
    with pytest.raises(EvidenceDamaged):
        commands.freeze_scope(number, by=MONA)


def test_an_exclusion_holds_while_its_evidence_is_the_same_and_lapses_when_it_changes(tmp_path: Path):
    number = declared()
    commands.open_revision(number, folder=findings(tmp_path / "a", row("anna"), row("bert")), by=MONA)
    commands.freeze_scope(number, by=MONA)
    without = commands.exclude_accounts(number, accounts=["anna"], reason="her own phone", by=MONA)
    assert (without.number, without.state, accounts(without)) == (2, RevisionState.DRAFT, ["bert"])
    assert accounts(queries.revision(number, number=1)) == ["anna", "bert"]
    why = queries.why(number, account="anna")
    assert why.row is None
    assert why.decisions[0].reason == "her own phone"
    same = commands.open_revision(number, folder=findings(tmp_path / "b", row("anna"), row("cleo")), by=MONA)
    assert accounts(same) == ["cleo"]
    assert same.counts["excluded"] == 1
    new = findings(tmp_path / "c", row("anna", last="2026-01-09T00:00:00.000Z"))
    again = commands.open_revision(number, folder=new, by=MONA)
    assert accounts(again) == ["anna"]
    assert again.counts["lapsed"] == 1
    with pytest.raises(NotInScope, match="nobody"):
        commands.exclude_accounts(number, accounts=["nobody"], reason="x", by=MONA)


def test_an_accepted_claim_comes_in_and_a_rejected_one_does_not(tmp_path: Path):
    number = declared()
    commands.open_revision(number, folder=findings(tmp_path, row("anna")), by=MONA)
    commands.claim_account(number, account="zoe", text="my password too", by=MONA)
    commands.claim_account(number, account="yan", text="me too", by=MONA)
    assert [claim.account for claim in queries.claims_waiting(number)] == ["zoe", "yan"]
    revision = commands.accept_claim(number, account="zoe", certainty=Certainty.LIKELY, reason="seen in mail", by=MONA)
    commands.reject_claim(number, account="yan", reason="another company", by=MONA)
    assert accounts(revision) == ["anna", "zoe"]
    assert queries.why(number, account="zoe").row["reasons"] == "seen in mail"
    assert queries.claims_waiting(number) == []
    with pytest.raises(NoSuchClaim):
        commands.reject_claim(number, account="yan", reason="again", by=MONA)
    with pytest.raises(AccountInScope):
        commands.claim_account(number, account="anna", text="x", by=MONA)


def test_each_command_leaves_one_entry_and_no_name_in_the_tree(tmp_path: Path):
    number = declared()
    commands.open_revision(number, folder=findings(tmp_path, row("anna-secret"), row("bert")), by=MONA)
    commands.exclude_accounts(number, accounts=["anna-secret"], reason="own phone", by=MONA)
    commands.claim_account(number, account="anna-secret", text="no!", by=MONA)
    commands.accept_claim(number, account="anna-secret", certainty=Certainty.CONFIRMED, reason="she was right", by=MONA)
    commands.freeze_scope(number, by=MONA)
    journal.number_entries()
    entries = journal_queries.entries()
    assert [entry.verb for entry in entries] == [
        "incident.declared", "scope.revision_opened", "scope.accounts_excluded", "scope.account_claimed",
        "scope.claim_accepted", "scope.frozen",
    ]  # fmt: skip
    assert not [entry.content for entry in entries if "anna-secret" in entry.content or "Mona" in entry.content]
    assert json.loads(journal_queries.proof("2", row=0)["row"]["value"])["account"] == "anna-secret"
    assert journal_queries.verification_of(earlier=[]).faults == ()
    journal.erase_person("account:anna-secret", by=MONA)
    journal.number_entries()
    assert journal_queries.verification_of(earlier=[]).faults == ()


def test_names_made_harmless_for_spreadsheets_are_found_as_they_were(tmp_path: Path):
    number = declared()
    hostile = findings(tmp_path, row("'=cmd()"), row('"o\'hara, ""x"""'))
    commands.open_revision(number, folder=hostile, by=MONA)
    assert queries.why(number, account="=cmd()").row["account"] == "=cmd()"
    assert queries.why(number, account='o\'hara, "x"').row is not None


def test_an_empty_scope_is_an_answer_too(tmp_path: Path):
    number = declared()
    with pytest.raises(NoSuchRevision):
        queries.revision(number)
    revision = commands.open_revision(number, folder=findings(tmp_path), by=MONA)
    assert (revision.accounts, accounts(revision)) == (0, [])
    assert commands.freeze_scope(number, by=MONA).digest
    with pytest.raises(NotAScopeFolder):
        commands.open_revision(number, folder=tmp_path / "events", by=MONA)
