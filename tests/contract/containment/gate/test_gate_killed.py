"""Publishing killed at any moment: nothing is half in force, nothing is in force without its journal entry."""

import os
import random
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from tocsin.containment import commands, gate_changes, gate_epochs, gate_list, queries
from tocsin.journal.values import MACHINE
from tocsin.kernel import clock
from tocsin.kernel.loading import lazily
from tocsin_gate import Applied, Gate

models = lazily("tocsin.containment.models")
journal_models = lazily("tocsin.journal.models")

ASKS = {"measures": [{"kind": "reset_password"}], "systems": {"reset_password": ["gate"]}}
MOMENTS = int(os.environ.get("TOCSIN_FAULTS") or 5)
# Kills itself at the n-th step it takes outside its own memory: a file opened, renamed, removed, linked, a statement.
PUBLISHING = """
import faulthandler, os, signal, sys
faulthandler.dump_traceback_later(100)
from django.db import connection
from tocsin.project import settings
settings.use_database(settings.parameters_of_url(os.environ["TOCSIN_DATABASE_URL"]))
from tocsin.containment import commands, gate_changes
from tocsin.journal.values import MACHINE
gate_changes.ITEMS_PER_CHANGE = 2
last, taken = int(sys.argv[1]), 0
def step():
    global taken
    taken += 1
    if taken == last:
        os.kill(os.getpid(), signal.SIGKILL)
HOME = os.environ["TOCSIN_HOME"]
def hook(event, given):
    if event in ("open", "os.rename", "os.remove", "os.link", "os.mkdir", "os.rmdir", "shutil.rmtree"):
        if any(str(each).startswith(HOME) for each in given if isinstance(each, (str, os.PathLike))):
            step()
def statement(execute, sql, params, many, context):
    step()
    answer = execute(sql, params, many, context)
    step()
    return answer
sync = os.fsync
def fsync(descriptor):
    step()
    sync(descriptor)
os.fsync = fsync
connection.ensure_connection()
sys.addaudithook(hook)
commit = connection._commit
def committed():
    step()
    commit()
    step()
connection._commit = committed
with connection.execute_wrapper(statement):
    commands.publish_changes(by=MACHINE)
    commands.publish_list(reason="again", by=MACHINE)
print(taken)
"""


def publishing(moment: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PUBLISHING, str(moment)],
        capture_output=True,
        text=True,
        timeout=120,
        env=dict(os.environ),
    )


def follow(gate: Gate) -> None:
    gate.refresh()
    epoch, seq = gate.position
    for change in queries.changes_after(epoch, seq=seq, limit=1000).changes:
        assert gate.apply(orjson.loads(change.content)) is Applied.APPLIED


def check_nothing_without_an_entry(place: Path) -> None:
    """Compare what is in force with rows and journal entries."""
    in_force = Gate(place, trust=queries.trust()).status()
    row = models.GateEpoch.objects.get(number=in_force.epoch)
    assert in_force.accounts == row.accounts
    entries = journal_models.JournalEntry.objects.filter(verb="containment.gate_list_published")
    assert entries.count() == models.GateEpoch.objects.count()
    changes = journal_models.JournalEntry.objects.filter(verb="containment.gate_changes_published")
    assert changes.exists() == models.GateChange.objects.exists()


def test_killed_at_any_step_the_next_run_settles_it_and_every_account_is_held_or_free(plans):
    """Five moments by a seed; all the fifty that TOCSIN_FAULTS names in the long run."""
    accounts = [f"a{n}" for n in range(12)]
    plan = plans([ASKS], dict.fromkeys(accounts, 0))
    commands.publish_list(reason="first", by=MACHINE)
    place = gate_epochs.folder() / gate_list.NAME
    gate = Gate(place, trust=queries.trust())
    chance, lifted = random.Random(11), set()

    def lift() -> None:
        name = chance.choice([each for each in accounts if each not in lifted] or accounts)
        lifted.add(name)
        models.ContainmentProgress.objects.update_or_create(
            plan=plan, account=name,
            defaults={"combination": 0, "wave": 1, "state": "undone", "state_at": clock.now(), "measures_done": {}},
        )  # fmt: skip

    lift()
    whole = publishing(0)
    assert whole.returncode == 0, whole.stderr
    steps = int(whole.stdout)
    assert steps > 40
    for moment in sorted(chance.sample(range(1, steps), min(MOMENTS, steps - 1))):
        before = place.read_bytes()
        lift()
        killed = publishing(moment)
        assert killed.returncode in (-9, 0), killed.stderr
        check_nothing_without_an_entry(place)
        assert place.read_bytes() == before or Gate(place, trust=queries.trust()).position[0] > gate.position[0]
        follow(gate)
        gate_changes._known.clear()
        commands.settle_lists()
        commands.publish_changes(by=MACHINE)
        check_nothing_without_an_entry(place)
        follow(gate)
        assert {each for each in accounts if gate.check(each).allow} == lifted, moment
        assert Gate(place, trust=queries.trust()).position[0] == queries.list_in_force().epoch
        names = [path.name for path in (gate_epochs.folder() / "lists").iterdir()]
        assert not [name for name in names if name.startswith(".")], moment


@pytest.mark.parametrize("left", [".9.tcs.aa.aside", "9.tcs", ".building-x"])
def test_what_was_never_recorded_is_cleared_away_and_never_in_force(plans, left: str):
    plans([ASKS], {"a": 0})
    commands.publish_list(reason="first", by=MACHINE)
    path = gate_list.path_of(1).with_name(left)
    path.mkdir() if left.startswith(".b") else path.write_bytes(b"x")
    commands.settle_lists()
    assert not path.exists() and gate_list.path_of(1).exists()


def test_a_list_recorded_but_not_yet_put_in_place_is_put_there(plans):
    plans([ASKS], {"a": 0})
    commands.publish_list(reason="first", by=MACHINE)
    (gate_epochs.folder() / gate_list.NAME).unlink()
    commands.settle_lists()
    assert not Gate(gate_epochs.folder() / gate_list.NAME, trust=queries.trust()).check("a").allow
