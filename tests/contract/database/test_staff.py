"""People and their keys on a real PostgreSQL and, for the agent, a real ssh-agent."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import connection, transaction

from tocsin.journal import commands as journal, leaf, queries as journal_queries, tree
from tocsin.journal.errors import BadSignature
from tocsin.journal.values import Assurance, Author, Fault
from tocsin.staff import commands, keys, queries
from tocsin.staff.errors import AgentUnusable, KeyTaken, KeyUnusable, NameTaken, NotEnrolled, SignatureNeeded

pytestmark = pytest.mark.usefixtures("rows")

PASSPHRASE = "correct horse battery staple"
ROOT = Author(name="root", assurance=Assurance.ASSERTED)


def enrolled(folder: Path, name: str = "Mona", *, by: Author = ROOT) -> Author:
    commands.enrol_with_file(name, key_file=folder / f"{name}.pem", passphrase=PASSPHRASE, by=by)
    return queries.author_with_file(name, key_file=folder / f"{name}.pem", passphrase=PASSPHRASE)


def act(by: Author) -> dict:
    with transaction.atomic():
        number = journal.write(verb="thing.done", subject="thing:1", by=by, facts={})
    return json.loads(journal_queries.entry(str(number)).content)


def test_the_first_person_is_enrolled_freely_and_the_next_by_a_signature(tmp_path: Path):
    mona = enrolled(tmp_path)
    with pytest.raises(SignatureNeeded):
        enrolled(tmp_path, "Nils")
    assert not (tmp_path / "Nils.pem").exists()
    enrolled(tmp_path, "Nils", by=mona)
    assert [member.name for member in queries.members()] == ["Mona", "Nils"]


def test_the_key_file_is_sealed_and_closed(tmp_path: Path):
    enrolled(tmp_path)
    key = tmp_path / "Mona.pem"
    assert key.stat().st_mode & 0o777 == 0o600
    assert b"ENCRYPTED PRIVATE KEY" in key.read_bytes()
    with pytest.raises(KeyUnusable):
        queries.author_with_file("Mona", key_file=key, passphrase="another passphrase")


def test_a_short_passphrase_is_refused_and_no_file_is_left(tmp_path: Path):
    with pytest.raises(KeyUnusable, match="too short"):
        commands.enrol_with_file("Mona", key_file=tmp_path / "m", passphrase="short", by=ROOT)
    assert not (tmp_path / "m").exists()


def test_a_key_of_ssh_keygen_is_taken_only_when_it_is_sealed(tmp_path: Path):
    if shutil.which("ssh-keygen") is None:
        pytest.skip("no ssh-keygen here")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "open"], check=True)
    with pytest.raises(KeyUnusable):
        commands.enrol_with_file("Mona", key_file=tmp_path / "open", passphrase=PASSPHRASE, by=ROOT)


def test_names_and_keys_are_enrolled_once(tmp_path: Path):
    mona = enrolled(tmp_path)
    with pytest.raises(KeyTaken):
        commands.enrol_with_file("Nils", key_file=tmp_path / "Mona.pem", passphrase=PASSPHRASE, by=mona)
    with pytest.raises(NameTaken):
        commands.enrol_with_file("Mona", key_file=tmp_path / "second", passphrase=PASSPHRASE, by=mona)


def test_a_signed_act_holds_and_a_said_name_is_only_asserted(tmp_path: Path):
    mona = enrolled(tmp_path)
    signed, said = act(mona), act(queries.asserted_author("Mona"))
    assert signed["by"]["assurance"] == "signed"
    assert signed["by"]["staff"] == str(mona.staff_id)
    assert "signature" in signed["by"]
    assert said["by"] == {"assurance": "asserted"}
    journal.number_entries()
    assert journal_queries.verification_of(earlier=[]).faults == ()


def test_who_says_signed_without_the_key_is_refused(tmp_path: Path):
    mona = enrolled(tmp_path)
    forged = Author(
        name="Mona",
        assurance=Assurance.SIGNED,
        staff_id=mona.staff_id,
        public_key=mona.public_key,
        sign=lambda _: b"\0" * 64,
    )
    unsigned = Author(name="Mona", assurance=Assurance.SIGNED, staff_id=mona.staff_id)
    for by in (forged, unsigned):
        with pytest.raises(BadSignature):
            act(by)


def test_a_revoked_key_signs_nothing_and_what_it_signed_stays_valid(tmp_path: Path):
    mona = enrolled(tmp_path)
    act(mona)
    with pytest.raises(SignatureNeeded):
        commands.revoke("Mona", reason="lost", by=ROOT)
    commands.revoke("Mona", reason="lost", by=mona)
    with pytest.raises(NotEnrolled):
        queries.author_with_file("Mona", key_file=tmp_path / "Mona.pem", passphrase=PASSPHRASE)
    journal.number_entries()
    assert journal_queries.verification_of(earlier=[]).faults == ()
    assert queries.members()[0].revoked_at is not None


def test_somebody_elses_key_does_not_speak_for_a_person(tmp_path: Path):
    mona = enrolled(tmp_path)
    enrolled(tmp_path, "Nils", by=mona)
    with pytest.raises(NotEnrolled):
        queries.author_with_file("Mona", key_file=tmp_path / "Nils.pem", passphrase=PASSPHRASE)
    with pytest.raises(NotEnrolled):
        queries.author_with_file("Nobody", key_file=tmp_path / "Nils.pem", passphrase=PASSPHRASE)


@pytest.fixture
def ssh_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Run a real ssh-agent that holds one RSA and one Ed25519 key."""
    if not all(map(shutil.which, ("ssh-agent", "ssh-add", "ssh-keygen"))):
        pytest.skip("no ssh-agent here")
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    with subprocess.Popen(["ssh-agent", "-D", "-a", tmp_path / "agent"], stdout=subprocess.PIPE) as running:
        assert running.stdout.readline()  # it says where it listens once it does
        for kind in ("rsa", "ed25519"):
            subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", tmp_path / kind], check=True)
            subprocess.run(["ssh-add", "-q", tmp_path / kind], check=True)
        yield tmp_path
        running.terminate()


def test_a_key_in_ssh_agent_enrols_and_signs(ssh_agent: Path):
    commands.enrol_with_agent("Mona", by=ROOT)
    assert act(queries.author_with_agent("Mona"))["by"]["assurance"] == "signed"
    with pytest.raises(AgentUnusable):
        commands.enrol_with_agent("Nils", by=queries.author_with_agent("Mona"))
    subprocess.run(["ssh-add", "-q", "-D"], check=True, env=os.environ, capture_output=True)
    with pytest.raises(NotEnrolled):
        queries.author_with_agent("Mona")


def test_without_an_agent_it_says_how_to_start_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(AgentUnusable, match="SSH_AUTH_SOCK"):
        commands.enrol_with_agent("Mona", by=ROOT)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "nothing"))
    with pytest.raises(AgentUnusable):
        commands.enrol_with_agent("Mona", by=ROOT)


def stored_again(content: dict) -> None:
    """Replace the newest entry as somebody would who can write to the database and computes the hash anew."""
    text = leaf.canonical(content)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(
            "UPDATE tocsin_journalentry SET content = %s, leaf_hash = %s WHERE id = %s",
            [text, tree.leaf_hash(text.encode()), content["id"]],
        )
        cursor.execute("SET session_replication_role = origin")


def test_the_journal_tells_a_signature_of_another_act_or_of_a_key_nobody_enrolled(tmp_path: Path):
    mona = enrolled(tmp_path)
    true = act(mona)
    journal.number_entries()

    def signature_wrong() -> bool:
        return Fault.ACT_SIGNATURE_WRONG in {each.fault for each in journal_queries.verification_of(earlier=[]).faults}

    assert not signature_wrong()
    stored_again({**true, "facts": {"n": 2}})
    assert signature_wrong()
    own = Ed25519PrivateKey.generate()
    by = {"assurance": "signed", "staff": str(mona.staff_id), "public_key": keys.public_bytes(own).hex()}
    signature = own.sign(leaf.ACT_CONTEXT + leaf.canonical({**true, "by": by}).encode()).hex()
    stored_again({**true, "by": {**by, "signature": signature}})
    assert signature_wrong()
    stored_again(true)
    assert not signature_wrong()
