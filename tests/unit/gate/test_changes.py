"""Changes between two epochs."""

import json

import pytest
from tests.unit.gate.conftest import NOW, OLD_ANDROID, RESET, SUSPEND, T0, Writer, combination

from tocsin_gate import Applied, Gate, Refreshed, signatures
from tocsin_gate.files import append_line, changes_path

AFTER = T0 + 60
ACCOUNTS = {"ann": 1, "bob": 1, "cyd": 2}


@pytest.fixture
def gate(gate_of):
    return gate_of(ACCOUNTS, combinations=[RESET, SUSPEND])


def test_who_is_done_passes_with_a_new_token_and_not_with_the_old(gate, writer):
    rank = writer.rank(ACCOUNTS, "ann")
    assert gate.apply(writer.change(done=[rank])) is Applied.APPLIED
    assert gate.check("ann", token_issued_at=AFTER).allow
    assert gate.check("ann", token_issued_at=T0 - 1).measures == ("revoke_sessions",)
    assert not gate.check("bob", token_issued_at=AFTER).allow
    assert (gate.status().done, gate.status().seq) == (1, 1)


def test_an_account_is_set_to_another_combination_or_to_none(gate, writer):
    rank = writer.rank(ACCOUNTS, "cyd")
    assert gate.check("cyd").code == "suspended"
    gate.apply(writer.change(set=[[rank, 0]]))
    assert gate.check("cyd").allow
    gate.apply(writer.change(seq=2, set=[[rank, 1]]))
    assert gate.check("cyd").code == "password_reset_required"


def test_what_is_asked_anew_was_not_done_before(gate, writer):
    rank = writer.rank(ACCOUNTS, "ann")
    gate.apply(writer.change(done=[rank]))
    gate.apply(writer.change(seq=2, set=[[rank, 1]]))
    assert not gate.check("ann", token_issued_at=AFTER).allow
    assert gate.status().done == 0
    gate.apply(writer.change(seq=3, set=[[rank, 1]], done=[rank]))
    assert gate.check("ann", token_issued_at=AFTER).allow


def test_an_account_is_added_between_epochs_and_taken_out_again(gate, writer):
    assert gate.check("eve").allow
    gate.apply(writer.change(add=[[writer.hex_of("eve"), 2]]))
    assert gate.check("eve").code == "suspended"
    gate.apply(writer.change(seq=2, remove=[writer.hex_of("eve")]))
    assert gate.check("eve").allow


def test_adding_an_account_that_is_in_the_list_changes_what_is_asked_of_it(gate, writer):
    gate.apply(writer.change(add=[[writer.hex_of("ann"), 2]]))
    assert gate.check("ann").code == "suspended"
    gate.apply(writer.change(seq=2, remove=[writer.hex_of("ann")]))
    assert gate.check("ann").code == "password_reset_required"


def test_new_combinations_and_rules_come_with_a_change(gate, writer):
    new = combination(("update_client", None, 0), reference="R-9")
    change = writer.change(rules={"0": OLD_ANDROID}, combinations={"3": new}, add=[[writer.hex_of("eve"), 3]])
    assert gate.apply(change) is Applied.APPLIED
    decision = gate.check("eve", platform="android", client_version="8.10")
    assert (decision.code, decision.reference) == ("client_too_old", "R-9")
    everyone = writer.change(seq=2, rules={"0": {**OLD_ANDROID, "everyone": True, "version_min": "9"}})
    assert gate.apply(everyone) is Applied.APPLIED
    assert gate.check("zoe", platform="android", client_version="8.11").version_min == "9"


def test_a_repeated_change_is_taken_once(gate, writer):
    change = writer.change(add=[[writer.hex_of("eve"), 2]])
    assert gate.apply(change) is Applied.APPLIED
    assert gate.apply(writer.change(seq=2, remove=[writer.hex_of("eve")])) is Applied.APPLIED
    assert gate.apply(change) is Applied.REPEATED
    assert gate.check("eve").allow


def test_a_gap_is_refused_until_what_is_missing_has_come(gate, writer):
    later = writer.change(seq=2, set=[[0, 0]])
    assert gate.apply(later) is Applied.GAP
    assert gate.status().last_refusal.reason is Applied.GAP
    assert gate.apply(writer.change(seq=1, set=[[1, 0]])) is Applied.APPLIED
    assert gate.apply(later) is Applied.APPLIED


def test_a_change_of_another_epoch_is_not_applied(gate, writer):
    assert gate.apply(writer.change(epoch=2, set=[[0, 0]])) is Applied.OTHER_EPOCH
    assert gate.status().seq == 0


def test_a_change_with_a_bad_or_foreign_signature_is_refused(gate, writer, tmp_path):
    good = writer.change(set=[[0, 0], [1, 0], [2, 0]])
    foreign = Writer(tmp_path, seed=b"b").change(set=[[0, 0], [1, 0], [2, 0]])
    for bad in (
        {**good, "set": [[0, 0]]},
        {**good, "at": good["at"] + 1},
        {**good, "sig": "00" * 64},
        {**good, "sig": "nonsense"},
        {key: value for key, value in good.items() if key != "sig"},
        foreign,
    ):
        assert gate.apply(bad) is Applied.SIGNATURE_WRONG
    assert not gate.check("ann").allow
    assert gate.apply(good) is Applied.APPLIED


@pytest.mark.parametrize(
    "contents",
    [
        {"done": [3]},
        {"done": [-1]},
        {"done": ["0"]},
        {"set": [[0, 99]]},
        {"set": [[7, 1]]},
        {"add": [["00", 1]]},
        {"add": [["0" * 16, 99]]},
        {"remove": ["zz"]},
        {"combinations": {"x": SUSPEND}},
        {"combinations": {"3": {"demands": [{"measure": "dance"}]}}},
        {"rules": {"0": {"measure": "update_client"}}},
        {"at": None},
    ],
)
def test_a_signed_change_that_means_nothing_here_is_refused_wholly(gate, writer, contents):
    at = contents.pop("at", NOW)
    change = writer.change(set=[*contents.pop("set", []), [0, 0], [1, 0], [2, 0]], **contents)
    if at is None:
        del change["at"]
    assert gate.apply(change) is Applied.MALFORMED
    assert not gate.check("ann").allow
    assert gate.status().seq == 0


def test_a_heartbeat_keeps_the_list_fresh_and_does_not_change_it(gate, writer, clock):
    clock.now = NOW + 5000
    assert gate.check("zoe", sensitive=True).code == "list_too_old"
    assert gate.apply(writer.change(seq=0, at=NOW + 4990)) is Applied.HEARTBEAT
    assert gate.check("zoe", sensitive=True).allow
    assert gate.status().age_seconds == pytest.approx(10)


def test_a_heartbeat_that_knows_of_more_changes_is_a_gap_and_refreshes_nothing(gate, writer, clock):
    clock.now = NOW + 5000
    assert gate.apply(writer.change(seq=4, at=NOW + 4990)) is Applied.GAP
    assert gate.check("zoe", sensitive=True).code == "list_too_old"


def test_an_old_heartbeat_sent_again_refreshes_nothing(gate, writer, clock):
    heartbeat = writer.change(seq=0, at=NOW)
    gate.apply(heartbeat)
    clock.now = NOW + 5000
    assert gate.apply(heartbeat) is Applied.HEARTBEAT
    assert gate.check("zoe", sensitive=True).code == "list_too_old"


def test_without_cryptography_changes_are_ignored_unless_their_channel_is_trusted(writer, clock, monkeypatch):
    monkeypatch.setattr(signatures, "AVAILABLE", False)
    pins = {"snapshot_sha256": [writer.digest(writer.write(ACCOUNTS, combinations=[RESET, SUSPEND]))]}
    change = writer.change(add=[[writer.hex_of("eve"), 2]], signed=False)
    gate = Gate(writer.path, trust=writer.trust(**pins), clock=clock)
    assert gate.apply(change) is Applied.NOT_BELIEVED
    assert (gate.check("eve").allow, gate.status().changes_believed) == (True, "ignored")
    trusting = Gate(writer.path, trust=writer.trust(**pins, changes="trusted_channel"), clock=clock)
    assert trusting.apply(change) is Applied.APPLIED
    assert (trusting.check("eve").allow, trusting.status().changes_believed) == (False, "trusted_channel")


def test_a_trusted_channel_does_not_stand_for_a_signature_that_can_be_checked(writer, clock):
    trust = writer.trust(changes="trusted_channel")
    gate = Gate(writer.write(ACCOUNTS, combinations=[RESET, SUSPEND]), trust=trust, clock=clock)
    assert gate.apply(writer.change(set=[[0, 0]], signed=False)) is Applied.SIGNATURE_WRONG


def test_a_new_epoch_begins_without_the_changes_of_the_old(gate, writer):
    gate.apply(writer.change(add=[[writer.hex_of("eve"), 2]]))
    writer.write(ACCOUNTS, combinations=[RESET, SUSPEND], epoch=2)
    assert gate.refresh() is Refreshed.ADOPTED
    assert gate.check("eve").allow
    assert gate.status().seq == 0
    assert gate.apply(writer.change(epoch=2, add=[[writer.hex_of("eve"), 2]])) is Applied.APPLIED


def line(change):
    return json.dumps(change).encode()


def test_changes_left_beside_the_list_reach_other_processes_and_survive_a_restart(gate, writer, clock):
    beside = changes_path(writer.path, epoch=1)
    append_line(beside, line(writer.change(add=[[writer.hex_of("eve"), 2]])))
    assert gate.check("eve").allow
    assert gate.refresh() is Refreshed.CHANGED
    assert gate.check("eve").code == "suspended"
    append_line(beside, line(writer.change(seq=2, done=[0])))
    assert gate.refresh() is Refreshed.CHANGED
    assert gate.refresh() is Refreshed.UNCHANGED
    restarted = Gate(writer.path, trust=writer.trust(), clock=clock)
    assert restarted.position == (1, 2)
    assert restarted.check("eve").code == "suspended"


def test_a_line_that_a_crash_cut_short_is_passed_over(gate, writer):
    beside = changes_path(writer.path, epoch=1)
    whole = line(writer.change(add=[[writer.hex_of("eve"), 2]]))
    beside.write_bytes(whole[:40])
    assert gate.refresh() is Refreshed.UNCHANGED
    append_line(beside, whole)
    assert gate.refresh() is Refreshed.CHANGED
    assert not gate.check("eve").allow
