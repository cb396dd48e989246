"""Publishing killed at any moment: nothing is half in force, nothing is in force without its journal entry."""

import os
import random
import subprocess
import sys
from collections.abc import Iterator
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
# For every number it reads, publishes in a child that kills itself at that step outside its own memory: a file opened,
# renamed, removed, linked, flushed; a statement, a commit. Answers "how it ended, how many steps it took".
PUBLISHING = """
import os, signal, sys
from django.db import connection
from tocsin.project import settings
settings.use_database(settings.parameters_of_url(os.environ["TOCSIN_DATABASE_URL"]))
from tocsin.containment import commands, gate_changes, models
from tocsin.journal.values import MACHINE
gate_changes.ITEMS_PER_CHANGE = 2
HOME, FILES = os.environ["TOCSIN_HOME"], ("open", "os.rename", "os.remove", "os.link", "os.mkdir", "os.rmdir")
taken, sync = 0, os.fsync
def publish(last):
    def step():
        global taken
        taken += 1
        if taken == last:
            os.kill(os.getpid(), signal.SIGKILL)
    def hook(event, given):
        named = [each for each in given if isinstance(each, (str, os.PathLike))]
        if event in FILES and any(str(each).startswith(HOME) for each in named):
            step()
    def statement(execute, sql, params, many, context):
        step()
        answer = execute(sql, params, many, context)
        step()
        return answer
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
    os.write(pipe[1], str(taken).encode())
for line in sys.stdin:
    pipe = os.pipe()
    child = os.fork()
    if child == 0:
        publish(int(line))
        os._exit(0)
    os.close(pipe[1])
    said = os.read(pipe[0], 20).decode() or "0"
    os.close(pipe[0])
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said, flush=True)
"""


class Publisher:
    """A process that is killed and killed again."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PUBLISHING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=dict(os.environ),
        )  # fmt: skip

    def killed_at(self, moment: int) -> tuple[int, int]:
        """Publish, and return the exit code and the steps taken; 0 is never."""
        self.process.stdin.write(f"{moment}\n")
        self.process.stdin.flush()
        code, steps = self.process.stdout.readline().split()
        return int(code), int(steps)


@pytest.fixture
def publisher(rows: None) -> Iterator[Publisher]:
    made = Publisher()
    yield made
    made.process.communicate()


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


def test_killed_at_any_step_the_next_run_settles_it_and_every_account_is_held_or_free(plans, publisher: Publisher):
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
    code, steps = publisher.killed_at(0)
    assert code == 0 and steps > 40
    for moment in sorted(chance.sample(range(1, steps), min(MOMENTS, steps - 1))):
        before = place.read_bytes()
        lift()
        assert publisher.killed_at(moment)[0] in (-9, 0)
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
