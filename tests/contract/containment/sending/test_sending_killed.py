"""Killed at any step, the worker leaves no account half-contained and changes none twice."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tocsin.containment.states import StepState
from tocsin.kernel.loading import lazily

models = lazily("tocsin.containment.models")
RESET = [{"measures": [{"kind": "reset_password"}], "systems": {"reset_password": ["gate", "shop"]}}]
MOMENTS = ("claimed", "applied", "verifying", "reading", "settling")
PEOPLE, BATCH = 60, 20
SEEDS = range(int(os.environ.get("TOCSIN_FAULTS") or 5))
PROGRAM = Path(__file__).with_name("killed_worker.py")


def run(moment: str, after: int, minutes: int) -> int:
    ended = subprocess.run(
        [sys.executable, PROGRAM, moment, str(after), str(minutes)], capture_output=True, text=True, timeout=120
    )
    assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
    return ended.returncode


@pytest.mark.parametrize("seed", SEEDS)
def test_killed_at_any_moment_every_account_is_contained_once(plans, shop, seed):
    chance = random.Random(seed)
    moment = MOMENTS[seed % len(MOMENTS)]
    per_account = moment in ("applied", "reading")
    after = chance.randrange(PEOPLE if per_account else PEOPLE // BATCH)
    accounts = shop.add([f"person-{number:03}" for number in range(PEOPLE)])
    wanted = accounts[: PEOPLE // 2] + accounts[PEOPLE // 2 :: 2]
    models.ConnectedSystem.objects.update(settings=shop.settings(batch=BATCH))
    plans(RESET, dict.fromkeys(wanted, 0), steps_made=False)
    killed = run(moment, after, 0)
    assert killed == -signal.SIGKILL or after >= len(wanted) // (1 if per_account else BATCH)
    minutes = 10
    if seed % 3 == 0:  # and again while it cleans up
        run(chance.choice(MOMENTS), chance.randrange(2), minutes)
        minutes += 10
    assert run("never", 0, minutes) == 0
    assert shop.flagged() == sorted(wanted)
    assert shop.seen() == dict.fromkeys(wanted, 1)
    assert set(models.ContainmentStep.objects.values_list("state", flat=True)) == {StepState.CONFIRMED}
    assert models.ContainmentStep.objects.count() == len(wanted)
