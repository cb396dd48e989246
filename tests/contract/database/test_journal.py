"""The journal on a real PostgreSQL: written with the change, numbered by one sequencer, and every tampering seen."""

import dataclasses
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import DatabaseError, connection, transaction

from tocsin.journal import commands, heads, leaf, queries, tree, verification
from tocsin.journal.errors import HeadUnreadable, NoSuchEntry, NotGrown, NotTheJournalsKey, WrittenOutsideTransaction
from tocsin.journal.values import MACHINE, Assurance, Author, Fault
from tocsin.kernel.loading import lazily

models = lazily("tocsin.models")
pytestmark = pytest.mark.usefixtures("rows")

ANNA = Author(name="Anna", assurance=Assurance.ASSERTED)


def write(verb: str = "thing.done", **more) -> str:
    with transaction.atomic():
        return str(commands.write(verb=verb, subject="thing:1", by=ANNA, facts={"n": 1}, **more))


def faults(earlier=()) -> set[Fault]:
    return {found.fault for found in queries.verification_of(earlier=list(earlier)).faults}


def tamper(sql: str, values=()) -> None:
    """Change rows as somebody with the database's own password can: triggers off."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(sql, values)
        cursor.execute("SET session_replication_role = origin")


def a_history() -> None:
    write(personal={"name": ("Bob", "person:bob")})
    write(rows=[("first", "account:1"), ("second", "account:2"), ("third", "account:3")])
    commands.number_entries()
    write("thing.undone")
    commands.number_entries()


def test_an_entry_is_written_only_with_the_transaction_of_its_change():
    with pytest.raises(WrittenOutsideTransaction):
        commands.write(verb="thing.done", subject="thing:1", by=MACHINE, facts={})
    with pytest.raises(RuntimeError), transaction.atomic():
        commands.write(verb="thing.done", subject="thing:1", by=MACHINE, facts={})
        raise RuntimeError("the change failed")
    assert models.JournalEntry.objects.count() == 0


def test_entries_are_numbered_without_holes_and_every_batch_is_signed():
    a_history()
    assert [entry.number for entry in queries.entries()] == [0, 1, 2]
    head = queries.head()
    assert head.size == 3
    assert head.root == tree.root_of(tree.leaf_hash(entry.content.encode()) for entry in queries.entries()).hex()
    assert heads.signature_holds(head)
    assert faults() == set()


def test_writers_and_sequencers_side_by_side_lose_nothing_and_double_nothing():
    def work() -> None:
        try:
            for _ in range(20):
                write()
                commands.number_entries()
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    commands.number_entries()
    assert list(models.JournalEntry.objects.order_by("number").values_list("number", flat=True)) == list(range(80))
    assert faults() == set()


def test_a_writer_never_waits_for_the_sequencer():
    write()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [commands._SEQUENCER_LOCK])

        def another() -> None:
            write()
            connection.close()

        writer = threading.Thread(target=another)
        writer.start()
        writer.join(timeout=30)
        assert not writer.is_alive()
    assert commands.number_entries() == 2


@pytest.mark.parametrize("table", ["tocsin_journalentry", "tocsin_journalpersonal", "tocsin_journalhead"])
def test_the_database_refuses_to_change_or_delete_what_was_numbered(table: str):
    a_history()
    change = {"tocsin_journalpersonal": "value = 'x'", "tocsin_journalhead": "body = 'x'"}.get(table, "content = 'x'")
    for sql in (f"UPDATE {table} SET {change}", f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
        with pytest.raises(DatabaseError, match="never changed"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)


def stored() -> list[tuple[str, str, str, str, object]]:
    """Return (table, column, type, key, row) of every stored cell of the journal."""
    cells = []
    keys = {"tocsin_journalentry": "id", "tocsin_journalpersonal": "entry_id || name", "tocsin_journalhead": "size"}
    with connection.cursor() as cursor:
        for table, key in keys.items():
            cursor.execute(
                "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s", [table]
            )
            for column, kind in cursor.fetchall():
                cursor.execute(f"SELECT ({key})::text, {column} FROM {table}")
                cells += [(table, column, kind, key, row) for row in cursor.fetchall() if row[1] is not None]
    return cells


def flipped(kind: str, column: str, position: int) -> str:
    """Return SQL for a column with one bit of the byte at ``position`` flipped."""
    if kind == "bytea":
        return f"set_byte({column}, {position}, get_byte({column}, {position}) # 8)"
    if kind == "text":
        # Bit 3 of an ASCII character gives another one, so that the text stays text.
        changed = f"chr(ascii(substr({column}, {position + 1}, 1)) # 8)"
        return f"overlay({column} placing {changed} from {position + 1})"
    return {
        "bigint": f"{column} + 1000",
        "uuid": f"overlay({column}::text placing 'f0f' from 10)::uuid",
        "timestamp with time zone": f"{column} + interval '1 microsecond'",
    }[kind]


def test_a_flipped_byte_in_any_cell_of_the_database_is_caught():
    a_history()
    assert faults() == set()
    for table, column, kind, key, (row, value) in stored():
        length = len(value) if kind in ("bytea", "text") else 1
        for position in {0, length // 2, length - 1}:
            tamper(
                f"BEGIN; UPDATE {table} SET {column} = {flipped(kind, column, position)} WHERE ({key})::text = '{row}'"
            )
            try:
                assert faults() != set(), f"{table}.{column} of {row}, byte {position}"
            finally:
                tamper("ROLLBACK")
    assert faults() == set()


def every_flip(value: object) -> Iterator[object]:
    """Yield a text or bytes once for each of its bytes, with that byte's lowest bit turned."""
    for position in range(len(value) if isinstance(value, bytes | str) else 0):
        if isinstance(value, bytes):
            yield value[:position] + bytes([value[position] ^ 1]) + value[position + 1 :]
        else:
            yield value[:position] + chr(ord(value[position]) ^ 1) + value[position + 1 :]


def test_every_flipped_byte_of_the_stored_journal_is_caught():
    a_history()
    whole = {
        "entries": list(queries._stored_entries()),
        "personal": list(queries._stored_personal()),
        "stored_heads": [
            verification.StoredHead(row.size, row.body, bytes(row.signature), bytes(row.peaks))
            for row in models.JournalHead.objects.order_by("size")
        ],
    }
    key = queries.head().key

    def sound(rows: dict) -> bool:
        return not list(verification.faults_in(**rows, earlier=[], key=key))

    assert sound(whole)
    tried = 0
    for kind, rows in whole.items():
        for place, row in enumerate(rows):
            for field in dataclasses.fields(row):
                for flip in every_flip(getattr(row, field.name)):
                    changed = [*rows[:place], dataclasses.replace(row, **{field.name: flip}), *rows[place + 1 :]]
                    assert not sound({**whole, kind: changed}), f"{kind} {place} {field.name}"
                    tried += 1
    assert tried > 2500


@pytest.mark.parametrize("table", ["tocsin_journalentry", "tocsin_journalpersonal", "tocsin_journalhead"])
def test_a_row_that_is_gone_is_missed(table: str):
    a_history()
    tamper(f"DELETE FROM {table} WHERE ctid = (SELECT min(ctid) FROM {table})")
    assert faults() != set()


def rewrite_everything() -> None:
    """Do what an intruder with the machine, the database and the journal's key would: another history, signed again."""
    tamper("DELETE FROM tocsin_journalhead")
    tamper("DELETE FROM tocsin_journalpersonal")
    tamper("DELETE FROM tocsin_journalentry WHERE number = 1")
    tamper("UPDATE tocsin_journalentry SET number = NULL, leaf_hash = NULL")
    for entry in models.JournalEntry.objects.order_by("id"):
        said = json.loads(entry.content)
        content = leaf.canonical({**said, "facts": {"n": 2}, "personal": {}})
        tamper("UPDATE tocsin_journalentry SET content = %s WHERE id = %s", [content, entry.id])
    write("thing.invented")
    tamper("UPDATE tocsin_journalpersonal SET value = value")
    commands.number_entries()


def test_a_fully_rewritten_and_correctly_signed_history_is_caught_against_an_earlier_head(tmp_path: Path):
    a_history()
    kept = tmp_path / "head.json"
    kept.write_text(queries.head_line(queries.head()) + "\n")
    rewrite_everything()
    assert faults() == set()
    assert faults(queries.heads_in(kept)) == {Fault.EARLIER_HEAD_DIFFERS}


def test_growth_since_an_earlier_head_is_proved_until_the_history_is_written_anew():
    a_history()
    earlier = queries.head()
    write("thing.more")
    commands.number_entries()
    proof = queries.growth_proof(earlier)
    assert json.loads(proof["head"]["body"])["size"] == 4
    rewrite_everything()
    with pytest.raises(NotGrown, match="written anew"):
        queries.growth_proof(earlier)
    tamper("DELETE FROM tocsin_journalhead")
    with pytest.raises(NotGrown, match="shorter"):
        queries.growth_proof(earlier)


def test_a_cut_off_history_is_caught_against_an_earlier_head():
    a_history()
    newest = queries.head()
    tamper("DELETE FROM tocsin_journalhead WHERE size = 3")
    tamper("DELETE FROM tocsin_journalpersonal WHERE entry_id = (SELECT id FROM tocsin_journalentry WHERE number = 2)")
    tamper("DELETE FROM tocsin_journalentry WHERE number = 2")
    assert faults() == set()
    assert faults([newest]) == {Fault.EARLIER_HEAD_DIFFERS}


def test_heads_of_a_witness_that_is_a_file_are_compared_by_themselves(tmp_path, monkeypatch):
    monkeypatch.setenv("TOCSIN_WITNESS", f"file:{tmp_path / 'heads.jsonl'}")
    a_history()
    assert commands.deliver_heads() == []
    assert [head.size for head in queries.heads_in(tmp_path / "heads.jsonl")] == [2, 3]
    assert commands.deliver_heads() == []
    assert len((tmp_path / "heads.jsonl").read_text().splitlines()) == 2
    rewrite_everything()
    assert Fault.EARLIER_HEAD_DIFFERS in faults()


def test_a_witness_that_refuses_is_said_and_tried_again(tmp_path, monkeypatch):
    a_history()
    monkeypatch.setenv("TOCSIN_WITNESS", f"file:{tmp_path / 'not there' / 'heads.jsonl'}")
    assert "not there" in commands.deliver_heads()[0]
    (tmp_path / "not there").mkdir()
    assert commands.deliver_heads() == []
    assert len((tmp_path / "not there" / "heads.jsonl").read_text().splitlines()) == 2


def test_a_witness_can_be_a_command(tmp_path, monkeypatch):
    a_history()
    monkeypatch.setenv("TOCSIN_WITNESS", f"command:tee -a {tmp_path / 'seen'}")
    assert commands.deliver_heads() == []
    assert [head.size for head in queries.heads_in(tmp_path / "seen")] == [2, 3]
    monkeypatch.setenv("TOCSIN_WITNESS", "command:false")
    assert "exit code 1" in commands.deliver_heads()[0]


def test_erasing_a_person_leaves_the_tree_valid_and_the_values_gone():
    a_history()
    assert commands.erase_person("person:bob", by=ANNA) == 1
    assert commands.erase_person("account:2", by=ANNA) == 1
    commands.number_entries()
    assert faults() == set()
    assert queries.entry("0").erased == ("name",)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM tocsin_journalpersonal WHERE value IN ('Bob', 'second') OR person = 'person:bob'"
        )
        assert cursor.fetchone() == (0,)
    assert queries.proof("1", row=0)["row"]["value"] == "first"
    with pytest.raises(NoSuchEntry):
        queries.proof("1", row=1)


def test_a_value_that_vanished_without_an_entry_that_says_so_is_caught():
    a_history()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tocsin_journalpersonal SET salt = NULL, value = NULL, person = NULL WHERE name = 'name'")
    assert faults() == {Fault.PERSONAL_MISSING}


def test_a_machine_with_another_key_does_not_sign_this_journal(tmp_path, monkeypatch):
    a_history()
    monkeypatch.setenv("TOCSIN_HOME", str(tmp_path / "other"))
    write()
    with pytest.raises(NotTheJournalsKey):
        commands.number_entries()
    assert Fault.HEAD_KEY_WRONG in faults()


def test_heads_that_are_none_are_refused_with_the_file(tmp_path):
    (tmp_path / "x").write_text("{}")
    with pytest.raises(HeadUnreadable, match="x"):
        queries.heads_in(tmp_path / "x")
    assert models.JournalHead.objects.count() == 0


VERIFIERS = ("verify_journal.py", "verify_proof.py")


def verified_alone(*files: Path, key: str, program: str) -> subprocess.CompletedProcess:
    """Run a verifier of the documentation as a stranger would: it must not be able to import Tocsin."""
    verifier = Path(__file__).parents[3] / "docs" / program
    command = [sys.executable, "-I", "-c", ALONE, str(verifier), key, *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True)


# Runs a file as a program in an interpreter that has no package called tocsin.
ALONE = (
    "import runpy, sys; sys.modules['tocsin'] = None; del sys.argv[0]; runpy.run_path(sys.argv[0], run_name='__main__')"
)


def test_the_verifier_of_the_documentation_checks_proofs_and_history_without_tocsin(tmp_path: Path):
    a_history()
    key = queries.head().key
    for number in range(3):
        (tmp_path / f"proof{number}").write_text(json.dumps(queries.proof(str(number)), indent=2))
    (tmp_path / "row").write_text(json.dumps(queries.proof("1", row=2), indent=2))
    (tmp_path / "history").write_text("\n".join(queries.history()) + "\n")
    (tmp_path / "head").write_text(queries.head_line(queries.head()) + "\n")
    files = [tmp_path / name for name in ("proof0", "proof1", "proof2", "row", "history", "head")]
    for program in VERIFIERS:
        ran = verified_alone(*files, key=key, program=program)
        assert ran.returncode == 0, ran.stderr
        assert "heads are signed; 3 entries" in ran.stdout


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("proof", "thing.done", "thing.dome"),
        ("proof", '"value": "Bob"', '"value": "Rob"'),
        ("proof", '"number": 0', '"number": 1'),
        ("history", "thing.undone", "thing.undome"),
        ("history", '\\"size\\":3', '\\"size\\":2'),
    ],
)
def test_the_verifier_of_the_documentation_refuses_what_was_changed(tmp_path: Path, file: str, old: str, new: str):
    a_history()
    text = "\n".join(queries.history()) if file == "history" else json.dumps(queries.proof("0"), indent=2)
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new))
    programs = VERIFIERS[1:] if "Bob" in old else VERIFIERS  # the short one does not look at personal values
    for program in programs:
        assert verified_alone(tmp_path / file, key=queries.head().key, program=program).returncode != 0


def test_the_verifier_of_the_documentation_sees_a_history_written_anew(tmp_path: Path):
    a_history()
    (tmp_path / "kept").write_text(queries.head_line(queries.head()) + "\n")
    rewrite_everything()
    (tmp_path / "history").write_text("\n".join(queries.history()))
    key = queries.head().key
    for program in VERIFIERS:
        assert verified_alone(tmp_path / "history", key=key, program=program).returncode == 0
        ran = verified_alone(tmp_path / "history", tmp_path / "kept", key=key, program=program)
        assert ran.returncode == 1
        assert "WRONG" in ran.stderr
