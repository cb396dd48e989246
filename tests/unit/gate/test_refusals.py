"""Every list that must not be believed is refused, and the last good one stays in force."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.gate.conftest import NOW, OLD_ANDROID, PAGE, REAUTHENTICATE, T0, Writer, combination

from tocsin_gate import Gate, Refreshed, Refusal, SnapshotRefused, Trust, TrustUnusable, signatures

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def force(gate_of):
    """A gate with a good list in force: ann is in it."""
    return gate_of({"ann": 1})


def put(writer, data: bytes):
    aside = writer.path.with_name("aside")
    aside.write_bytes(data)
    aside.replace(writer.path)


def refused(force, writer, data: bytes) -> Refusal:
    """Put a file in place, see that it is refused and that the good list goes on; return why."""
    put(writer, data)
    assert force.refresh() is Refreshed.REFUSED
    assert not force.check("ann").allow
    assert force.check("bob").allow
    assert force.status().epoch == 1
    return force.status().last_refusal.reason


def test_a_newer_list_is_adopted_and_the_old_one_gone(force, writer):
    writer.write({"bob": 1}, epoch=2)
    assert force.refresh() is Refreshed.ADOPTED
    assert force.check("ann").allow
    assert not force.check("bob").allow
    assert force.refresh() is Refreshed.UNCHANGED


def test_the_same_list_written_again_changes_nothing(force, writer):
    writer.write({"ann": 1})
    assert force.refresh() is Refreshed.UNCHANGED


def test_every_corrupt_byte_is_refused(force, writer):
    good = writer.bytes_of({"bob": 1, "cyd": 1}, epoch=2)
    # All of prologue and signature, a sample of the rest, and both ends of every section and gap.
    slot = 32 + int.from_bytes(good[8:12], "little")
    ends = {place + by for place in range(PAGE, len(good), PAGE) for by in (-1, 0, 1)}
    places = {
        *range(32),
        *range(slot, slot + 96),
        *range(0, PAGE, 11),
        *range(PAGE, len(good), 97),
        *ends,
        len(good) - 1,
    }
    reasons = set()
    for place in sorted(places):
        put(writer, good[:place] + bytes([good[place] ^ 0x41]) + good[place + 1 :])
        assert force.refresh() is Refreshed.REFUSED, place
        reasons.add(force.status().last_refusal.reason)
    assert force.status().epoch == 1
    assert reasons == {
        Refusal.NOT_A_SNAPSHOT, Refusal.MALFORMED, Refusal.CUT_OFF, Refusal.SIGNATURE_WRONG, Refusal.FOREIGN_KEY,
        Refusal.HASH_MISMATCH,
    }  # fmt: skip
    put(writer, good)
    assert force.refresh() is Refreshed.ADOPTED


def test_a_list_that_is_cut_off_anywhere_is_refused(force, writer):
    good = writer.bytes_of({"bob": 1}, epoch=2)
    for size in (0, 1, 31, 32, 100, PAGE, len(good) // 2, len(good) - 1):
        assert refused(force, writer, good[:size]) is Refusal.CUT_OFF, size
    assert refused(force, writer, good + b"\0") is Refusal.MALFORMED


def test_an_unsigned_list_is_refused_even_when_it_is_pinned(writer, clock):
    path = writer.write({"ann": 1}, signed=False)
    with pytest.raises(SnapshotRefused) as refusal:
        Gate(path, trust=writer.trust(snapshot_sha256=[writer.digest()]), clock=clock)
    assert refusal.value.reason is Refusal.UNSIGNED


def test_an_unsigned_list_does_not_replace_a_signed_one(force, writer):
    assert refused(force, writer, writer.bytes_of({}, epoch=2, signed=False)) is Refusal.UNSIGNED


def test_a_list_signed_by_a_foreign_key_is_refused_although_it_names_that_key(force, writer, tmp_path):
    other = Writer(tmp_path, seed=b"b")
    other.key = writer.key
    assert refused(force, writer, other.bytes_of({}, epoch=2)) is Refusal.FOREIGN_KEY


def test_a_foreign_signature_under_our_key_is_refused(force, writer, tmp_path):
    good = writer.bytes_of({}, epoch=2)
    start = 32 + int.from_bytes(good[8:12], "little") + 32
    assert refused(force, writer, good[:start] + bytes(64) + good[start + 64 :]) is Refusal.SIGNATURE_WRONG


def test_a_list_made_with_another_hash_key_is_refused(force, writer):
    assert refused(force, writer, writer.bytes_of({}, epoch=2, key_id="0" * 16)) is Refusal.OTHER_HASH_KEY


def test_a_list_of_another_installation_is_refused(force, writer):
    assert refused(force, writer, writer.bytes_of({}, epoch=2, installation="inst-2")) is Refusal.OTHER_INSTALLATION


def test_an_expired_list_is_refused(force, writer):
    assert refused(force, writer, writer.bytes_of({}, epoch=2, not_after=(NOW - 1) * 1000)) is Refusal.EXPIRED


def test_an_older_epoch_is_refused(gate_of, writer):
    gate = gate_of({"ann": 1}, epoch=5)
    writer.write({}, epoch=4)
    assert gate.refresh() is Refreshed.REFUSED
    assert gate.status().last_refusal.reason is Refusal.OLDER_EPOCH
    assert not gate.check("ann").allow


def test_the_same_epoch_with_other_content_is_refused(force, writer):
    assert refused(force, writer, writer.bytes_of({})) is Refusal.OTHER_CONTENT


def test_a_list_written_in_place_while_it_is_read_is_refused_and_looked_at_again(force, writer, monkeypatch):
    writer.write({"bob": 1}, epoch=2)
    real, states = os.fstat, []

    def touched(descriptor):
        state = real(descriptor)
        states.append(state)
        if len(states) == 1:
            os.utime(writer.path, ns=(1, 1))
        return state

    monkeypatch.setattr("tocsin_gate.snapshot.os.fstat", touched)
    assert force.refresh() is Refreshed.REFUSED
    assert force.status().last_refusal.reason is Refusal.SWAPPED_WHILE_READ
    assert not force.check("ann").allow
    assert force.refresh() is Refreshed.ADOPTED


def test_a_list_replaced_while_it_is_read_is_read_to_its_end_and_the_next_is_seen(force, writer, monkeypatch):
    writer.write({"bob": 1}, epoch=2)
    real, calls = os.fstat, []

    def replaced(descriptor):
        calls.append(descriptor)
        if len(calls) == 1:
            writer.write({"cyd": 1}, epoch=3)
        return real(descriptor)

    monkeypatch.setattr("tocsin_gate.snapshot.os.fstat", replaced)
    assert force.refresh() is Refreshed.ADOPTED
    assert force.status().epoch == 2
    assert force.refresh() is Refreshed.ADOPTED
    assert force.status().epoch == 3


@pytest.mark.parametrize("size", [0, 5000, None])
def test_a_list_overwritten_in_place_neither_changes_nor_ends_what_is_in_force(force, writer, size):
    good = writer.path.read_bytes()
    with writer.path.open("r+b") as file:
        file.write(bytes(byte ^ 0xFF for byte in good))
        file.truncate(size)
    assert not force.check("ann").allow
    assert force.check("bob").allow
    assert force.refresh() is Refreshed.REFUSED
    assert not force.check("ann").allow
    writer.write({"bob": 1}, epoch=2)
    assert force.refresh() is Refreshed.ADOPTED


def test_where_nothing_can_be_written_the_list_is_mapped_as_it_lies(gate_of, monkeypatch):
    def read_only(**_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tocsin_gate.snapshot.tempfile.TemporaryFile", read_only)
    gate = gate_of({"ann": 1})
    assert not gate.check("ann").allow


def test_a_list_that_is_gone_or_no_file_leaves_the_old_one_in_force(force, writer):
    writer.path.unlink()
    assert force.refresh() is Refreshed.REFUSED
    assert force.status().last_refusal.reason is Refusal.UNREADABLE
    writer.path.mkdir()
    assert force.refresh() is Refreshed.REFUSED
    assert not force.check("ann").allow


def test_a_refused_file_is_not_read_again_until_it_changes(force, writer, monkeypatch):
    put(writer, b"nonsense" * 100)
    assert force.refresh() is Refreshed.REFUSED
    monkeypatch.setattr("tocsin_gate.gate.open_snapshot", None)
    assert force.refresh() is Refreshed.UNCHANGED


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ({"format": 2}, "format 2"),
        ({"epoch": 0}, "out of range"),
        ({"width": 3}, "out of range"),
        ({"n": 2}, "do not fit its counts"),
        ({"combinations": []}, "does not describe"),
        ({"combinations": [combination(("dance", T0, None))]}, "dance"),
        ({"combinations": [combination(("reauthenticate", None, None))]}, "lacks its since"),
        ({"combinations": [combination(("update_client", T0, 0))]}, "cannot be read"),
        ({"combinations": [combination(("retire_client", T0, 0))], "rules": [OLD_ANDROID]}, "lacks its rule"),
        ({"rules": [{**OLD_ANDROID, "version_min": "newest"}]}, "a version that compares"),
        ({"rules": [{**OLD_ANDROID, "measure": "suspend"}]}, "cannot be suspend"),
        ({"rules": [{"measure": "retire_client"}]}, "lacks its client"),
    ],
)
def test_a_signed_list_that_says_nothing_definite_is_refused(writer, clock, header, why):
    given = {"bits": 8, **header}
    head = {
        "format": 1, "installation": "inst-1", "epoch": 1, "made_at": T0 * 1000, "not_after": None, "key_id": writer.key_id(),
        "n": 1, "index_bits": 8, "width": 1, "combinations": [REAUTHENTICATE], "rules": [], **header,
    }  # fmt: skip
    number = writer.number("ann")
    index = b"".join(int(number >> 56 < i).to_bytes(4, "little") for i in range(257))
    sections = {"index": index, "hashes": number.to_bytes(8, "little"), "codes": b"\1"}
    assert given
    writer.path.write_bytes(writer.assembled(head, sections))
    with pytest.raises(SnapshotRefused, match=why) as refusal:
        Gate(writer.path, trust=writer.trust(), clock=clock)
    assert refusal.value.reason is Refusal.MALFORMED


@pytest.mark.parametrize("numbers", [[0] * 257, [0] * 256 + [2], [1] * 257, [0, 9] + [1] * 255])
def test_an_index_that_leaves_the_list_is_refused(writer, clock, numbers):
    head = {
        "format": 1, "installation": "inst-1", "epoch": 1, "made_at": T0 * 1000, "not_after": None, "key_id": writer.key_id(),
        "n": 1, "index_bits": 8, "width": 1, "combinations": [REAUTHENTICATE], "rules": [],
    }  # fmt: skip
    index = b"".join(number.to_bytes(4, "little") for number in numbers)
    writer.path.write_bytes(writer.assembled(head, {"index": index, "hashes": bytes(8), "codes": b"\1"}))
    with pytest.raises(SnapshotRefused, match="index does not fit"):
        Gate(writer.path, trust=writer.trust(), clock=clock)


def test_a_first_list_that_is_refused_leaves_no_gate_and_says_how_to_mend_it(writer, clock):
    with pytest.raises(SnapshotRefused) as refusal:
        Gate(writer.folder / "nothing", trust=writer.trust(), clock=clock)
    assert refusal.value.reason is Refusal.UNREADABLE
    assert str(writer.folder / "nothing") in str(refusal.value)
    assert "tocsin gate build" in str(refusal.value)


# What is believed


def test_without_cryptography_a_list_is_believed_by_its_pin_and_status_says_so(writer, clock, monkeypatch):
    monkeypatch.setattr(signatures, "AVAILABLE", False)
    path = writer.write({"ann": 1})
    gate = Gate(path, trust=writer.trust(snapshot_sha256=[writer.digest()]), clock=clock)
    assert (gate.status().way, gate.status().changes_believed) == ("pinned", "ignored")
    writer.write({}, epoch=2)
    assert gate.refresh() is Refreshed.REFUSED
    assert gate.status().last_refusal.reason is Refusal.NOT_PINNED
    assert not gate.check("ann").allow


def test_without_cryptography_and_without_a_pin_a_signed_list_cannot_be_verified(writer, clock, monkeypatch):
    monkeypatch.setattr(signatures, "AVAILABLE", False)
    with pytest.raises(SnapshotRefused, match="cryptography") as refusal:
        Gate(writer.write({}), trust=writer.trust(), clock=clock)
    assert refusal.value.reason is Refusal.CANNOT_VERIFY


def test_without_public_keys_the_pin_counts(writer, clock):
    path = writer.write({}, signed=False)
    trust = writer.trust(public_keys=[], snapshot_sha256=[writer.digest()])
    assert Gate(path, trust=trust, clock=clock).status().way == "pinned"
    with pytest.raises(SnapshotRefused) as refusal:
        Gate(path, trust=writer.trust(public_keys=[]), clock=clock)
    assert refusal.value.reason is Refusal.NOT_PINNED


def test_a_bare_interpreter_without_packages_checks_a_pinned_list(writer):
    writer.write({"ann": 1})
    trust = writer.trust_file(snapshot_sha256=[writer.digest()])
    command = [
        sys.executable,
        "-S",
        "-E",
        "-c",
        "import sys; sys.path.insert(0, sys.argv.pop(1)); import runpy; runpy.run_module('tocsin_gate', run_name='__main__')",
    ]
    arguments = [str(ROOT / "gate" / "src"), "check", str(writer.path), "--trust", str(trust), "--account", "ann"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (20, "")
    assert json.loads(done.stdout)["measures"] == ["reauthenticate"]


def test_a_pin_added_to_the_trust_file_lets_the_waiting_list_in(writer, clock, monkeypatch):
    monkeypatch.setattr(signatures, "AVAILABLE", False)
    writer.write({"ann": 1})
    pins = [writer.digest()]
    gate = Gate(writer.path, trust=writer.trust_file(snapshot_sha256=pins), clock=clock)
    writer.write({"bob": 1}, epoch=2)
    assert gate.refresh() is Refreshed.REFUSED
    writer.trust_file(snapshot_sha256=[*pins, writer.digest()])
    assert gate.refresh() is Refreshed.ADOPTED
    assert not gate.check("bob").allow


def test_a_trust_file_that_became_nonsense_is_noted_and_the_old_trust_kept(writer, clock):
    trust = writer.trust_file()
    gate = Gate(writer.write({"ann": 1}), trust=trust, clock=clock)
    trust.write_text("{")
    writer.write({"bob": 1}, epoch=2)
    assert gate.refresh() is Refreshed.ADOPTED
    assert gate.status().last_refusal.reason is Refusal.TRUST_UNUSABLE


def test_a_new_public_key_keeps_what_had_changed_since_the_list(writer, clock):
    gate = Gate(writer.write({"ann": 1}), trust=writer.trust_file(), clock=clock)
    gate.apply(writer.change(add=[[writer.hex_of("bob"), 1]]))
    writer.trust_file(public_keys=[writer.public_key.hex(), "ab" * 32])
    assert gate.refresh() is Refreshed.ADOPTED
    assert not gate.check("bob").allow
    assert gate.status().seq == 1


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"format": "other"}, "format"),
        ({"installation": ""}, "installation"),
        ({"hash_key": "ab"}, "hash_key"),
        ({"hash_key": None}, "hash_key"),
        ({"public_keys": "ab"}, "public_keys"),
        ({"public_keys": ["zz" * 32]}, "public_keys"),
        ({"snapshot_sha256": [1]}, "snapshot_sha256"),
        ({"feed_token": "a\nb"}, "feed_token"),
    ],
)
def test_a_trust_file_that_lacks_something_says_what(writer, changed, why):
    with pytest.raises(TrustUnusable, match=why):
        Trust.of(writer.trust(**changed))


def test_a_trust_file_that_cannot_be_read_says_where(tmp_path):
    with pytest.raises(TrustUnusable, match="cannot be read"):
        Trust.read(tmp_path / "none")
    (tmp_path / "list").write_text("[]")
    with pytest.raises(TrustUnusable, match="not a JSON object"):
        Trust.read(tmp_path / "list")


def test_a_trust_does_not_show_its_secrets(writer):
    trust = Trust.of(writer.trust(feed_token="secret-token"))
    assert writer.key.hex() not in repr(trust)
    assert "secret-token" not in repr(trust)
    assert trust.key_id == hashlib.sha256(b"tocsin-gate-key-id" + writer.key).hexdigest()[:16]
