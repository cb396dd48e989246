"""How long the worker takes for many accounts in a database, all rows and journal entries included."""

import os
import time

import pytest

from tocsin import story
from tocsin.containment import commands, systems
from tocsin.integrations.sql_accounts.connector import connect
from tocsin.journal.values import MACHINE
from tocsin.kernel.loading import lazily

models = lazily("tocsin.containment.models")
RESET = [{"measures": [{"kind": "reset_password"}], "systems": {"reset_password": ["shop"]}}]


@pytest.mark.benchmark
@pytest.mark.timeout(1800)
def test_many_accounts_are_sent_and_read_back(plans, shop, capsys):
    n = int(os.environ.get("TOCSIN_BENCHMARK_LINES") or 200_000)
    shop.ask("INSERT INTO customers (login) SELECT 'login-' || n FROM generate_series(1, %s) n", n)
    shop.ask("ALTER TABLE customers DISABLE TRIGGER saw")
    models.ConnectedSystem.objects.update(settings=shop.settings(batch=20_000))
    plan = plans(RESET, {f"login-{number + 1}": 0 for number in range(n)}, steps_made=False)
    began = time.monotonic()
    assert commands.make_steps(plan.number, wave=1, by=MACHINE) == n
    made = time.monotonic()
    system = systems.system("shop")
    connector = connect("shop", settings=system.settings, secrets={})
    story.contain_work(lambda _system, _secrets: connector, once=True, only=["shop"])
    done = time.monotonic()
    assert models.ContainmentStep.objects.filter(state="confirmed").count() == n
    with capsys.disabled():
        print(f"\n{n:,} accounts: steps made {made - began:.0f} s, sent and read back {done - made:.0f} s")
