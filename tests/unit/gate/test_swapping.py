"""Swapping lists under load, watching, forking; and exactness at a size that fits a test run."""

import bisect
import os
import struct
import threading

import pytest
from tests.unit.gate.conftest import NOW, REAUTHENTICATE, RESET, SUSPEND, T0, Clock

from tocsin_gate import Gate, Refreshed

CODES = ["reauthentication_required", "password_reset_required", "suspended"]


def test_no_check_fails_while_lists_are_swapped(writer, gate_of):
    gate = gate_of({"ann": 1, "bob": 1}, combinations=[REAUTHENTICATE, SUSPEND])
    wrong, checks, stop = [], [0, 0, 0], threading.Event()

    def ask(place):
        while not stop.is_set():
            ann, zoe, swapped = gate.check("ann"), gate.check("zoe"), gate.check("bob")
            if ann.allow or not zoe.allow or swapped.code not in ("allowed", "suspended", "reauthentication_required"):
                wrong.append((ann, zoe, swapped))
            checks[place] += 3

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(3)]
    for thread in threads:
        thread.start()
    for epoch in range(2, 62):
        accounts = {"ann": 1, "bob": 2} if epoch % 2 else {"ann": 2, **{f"x{number}": 1 for number in range(epoch)}}
        writer.write(accounts, combinations=[REAUTHENTICATE, SUSPEND], epoch=epoch)
        assert gate.refresh() is Refreshed.ADOPTED
        rank = writer.rank(accounts, "ann")
        gate.apply(writer.change(epoch=epoch, set=[[rank, 2]], add=[[writer.hex_of("eve"), 1]]))
        assert not gate.check("eve").allow
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert min(checks) > 0


def test_fifty_thousand_members_and_two_hundred_thousand_checks_agree_with_a_dictionary(writer):
    accounts = {f"account-{number}": number % 3 + 1 for number in range(0, 150_000, 3)}
    accounts.update({f"account-{number}": number % 3 + 1 for number in range(1, 1000, 3)})
    rows = sorted((writer.number(name), code) for name, code in accounts.items())
    numbers, codes = [number for number, _ in rows], bytes(code for _, code in rows)
    bits = 11
    index = [bisect.bisect_left(numbers, edge << (64 - bits)) for edge in range(2**bits)] + [len(numbers)]
    sections = {
        "index": struct.pack(f"<{len(index)}I", *index),
        "hashes": struct.pack(f"<{len(numbers)}Q", *numbers),
        "codes": codes,
    }
    header = {
        "format": 1, "installation": "inst-1", "epoch": 1, "made_at": NOW * 1000, "not_after": None, "key_id": writer.key_id(),
        "n": len(numbers), "index_bits": bits, "width": 1, "combinations": [REAUTHENTICATE, RESET, SUSPEND], "rules": [],
    }  # fmt: skip
    writer.path.write_bytes(writer.assembled(header, sections))
    gate = Gate(writer.path, trust=writer.trust(), clock=Clock())
    for number in range(200_000):
        name = f"account-{number}"
        code = accounts.get(name)
        assert gate.check(name, token_issued_at=T0 - 60).code == (CODES[code - 1] if code else "allowed")


def test_status_and_checks_do_not_wait_for_a_list_that_is_being_checked(gate_of):
    gate = gate_of({"ann": 1})
    told = []
    with gate._lock:
        thread = threading.Thread(target=lambda: told.append((gate.status().epoch, gate.check("ann").allow)))
        thread.start()
        thread.join(timeout=60)
    assert told == [(1, False)]


def test_watching_adopts_a_new_list_by_itself_and_stops(gate_of, writer):
    gate = gate_of({"ann": 1})
    gate.watch(every_seconds=0.01)
    watcher = gate._watcher
    gate.watch(every_seconds=0.01)
    assert gate._watcher is watcher
    writer.write({"bob": 1}, epoch=2)
    waiting = threading.Event()
    while gate.status().epoch == 1:
        waiting.wait(0.005)
    gate.close()
    assert not watcher.is_alive()
    assert not gate.check("bob").allow


def test_a_gate_nobody_uses_any_more_ends_its_watch(gate_of):
    gate = gate_of({})
    gate.watch(every_seconds=0.01)
    watcher = gate._watcher
    del gate
    watcher.join(timeout=60)
    assert not watcher.is_alive()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_forked_in_the_middle_of_a_refresh_goes_on(gate_of, writer):
    gate = gate_of({"ann": 1})
    writer.write({"bob": 1}, epoch=2)
    with gate._lock:
        child = os.fork()
        if child == 0:
            thread = threading.Thread(target=gate.refresh)
            thread.start()
            thread.join(timeout=60)
            os._exit(0 if gate.check("ann").allow and not gate.check("bob").allow else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not gate.check("ann").allow
