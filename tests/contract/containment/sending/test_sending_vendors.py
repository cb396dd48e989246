"""The worker and a vendor's stand-in: storms of refusals, lost answers and a log that lags end with each account hit once."""

import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

from django.db import connection

from tocsin import story
from tocsin.containment import commands, systems
from tocsin.containment.states import StepState
from tocsin.integrations.okta.connector import connect
from tocsin.journal.values import Assurance, Author
from tocsin.kernel import clock

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "connectors"))

from fakes.okta import FakeOkta

BOTH = [
    {
        "measures": [{"kind": "reset_password"}, {"kind": "revoke_sessions"}],
        "systems": {"reset_password": ["gate", "okta"], "revoke_sessions": ["gate", "okta"]},
    }
]
STAFF = Author(name="ada", assurance=Assurance.ASSERTED)


def states() -> dict[tuple[str, str], int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT measure, state, count(*) FROM tocsin_containmentstep GROUP BY 1, 2")
        return {(measure, state): n for measure, state, n in cursor.fetchall()}


def test_a_vendor_that_refuses_loses_and_lags_hits_every_account_once(plans):
    with FakeOkta() as okta:
        accounts = [okta.add(f"member{n}@x.example") for n in range(12)]
        neighbours = [okta.add(f"neighbour{n}@x.example") for n in range(12)]
        commands.add_system(
            "okta", kind="okta", settings={"url": okta.url}, secrets={"api_token": okta.api_token}, by=STAFF
        )
        plans(BOTH, dict.fromkeys(accounts, 0), since=clock.now() - timedelta(minutes=5), steps_made=False)
        okta.throttle(times=10)
        okta.throttle(times=5, match="expire_password")
        okta.lose(after_doing_it=True, match="expire_password", times=2)
        okta.lose(after_doing_it=False, match="expire_password", times=2)
        okta.lose(after_doing_it=True, match="DELETE", times=2)
        connectors = {}

        def wired(system, secrets):
            if system.name not in connectors:
                made = connect(system.name, settings=system.settings, secrets=dict(secrets))
                for pace in made._wire.paces.values():  # as after a first answer
                    pace.learn(status=200, headers=okta.headers())
                connectors[system.name] = made
            return connectors[system.name]

        at = clock.now()
        for _round in range(40):
            with clock.fixed(at):
                story.contain_work(wired, once=True)
            at += timedelta(minutes=2)
            if set(states()) == {("reset_password", "confirmed"), ("revoke_sessions", "done")}:
                break
        assert states() == {("reset_password", StepState.CONFIRMED): 12, ("revoke_sessions", StepState.DONE): 12}
        hit = Counter((event["eventType"], event["target"][0]["id"]) for event in okta.log)
        assert set(hit.values()) == {1}
        assert {account for _kind, account in hit} == set(accounts)
        assert {okta.users[account]["status"] for account in neighbours} == {"ACTIVE"}

        okta.changes_password(accounts[0])
        with clock.fixed(at + timedelta(minutes=5)):
            story.contain_work(wired, once=True)
        assert states() == {
            ("reset_password", StepState.CONFIRMED): 11,
            ("revoke_sessions", StepState.DONE): 11,
            ("reset_password", StepState.CLOSED): 1,
            ("revoke_sessions", StepState.CLOSED): 1,
        }
        assert systems.system("okta").done_cursor
