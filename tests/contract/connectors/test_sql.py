"""A table of accounts in PostgreSQL: exact to the letter, quoted names, Django's tables, and a million rows."""

import os
import resource
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from conftest import peer_module

from tocsin.containment.errors import SystemNotUnderstood
from tocsin.containment.ports import Answer, Holding, Order, Standing
from tocsin.containment.values import Measure, MeasureKind
from tocsin.integrations.sql_accounts.connector import connect

RESET, REVOKE, SUSPEND = MeasureKind.RESET_PASSWORD, MeasureKind.REVOKE_SESSIONS, MeasureKind.SUSPEND
SINCE = datetime.now(UTC) - timedelta(minutes=10)
GOOD = {
    "host": "db.example", "database": "shop", "user": "tocsin", "accounts": {"table": "customers", "account": "login"},
    "measures": {"suspend": {"set": {"active": False}}},
}  # fmt: skip
DJANGO = """
CREATE TABLE auth_user (id serial PRIMARY KEY, username varchar(150) UNIQUE NOT NULL, password varchar(128) NOT NULL,
                        is_active boolean NOT NULL);
CREATE TABLE tocsin_must_change (user_id integer PRIMARY KEY REFERENCES auth_user, since_at timestamptz NOT NULL,
                                 done_at timestamptz);
INSERT INTO auth_user (username, password, is_active)
SELECT 'member' || n, 'pbkdf2', n % 5 <> 0 FROM generate_series(1, 20) n;
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    with peer_module("sql").running(tmp_path_factory.mktemp("sql")) as running:
        yield running


def ask(shop, sql: str, *given: object) -> list[tuple]:
    with shop.session() as session:
        cursor = session.execute(sql, given or None)
        return cursor.fetchall() if cursor.description else []


def orders(accounts, kind) -> list[Order]:
    return [Order(account, Measure(kind), SINCE, f"{kind}:{account}") for account in accounts]


def answers(connector, accounts, kind, act="apply") -> dict[str, Answer]:
    return {each.order.account: each.answer for each in getattr(connector, act)(orders(accounts, kind))}


def test_names_are_quoted_whatever_they_hold(shop):
    ask(shop, """CREATE TABLE "Odd ""Table"" ; --" ("Log In" text UNIQUE, "must; DROP" boolean)""")
    ask(shop, """INSERT INTO "Odd ""Table"" ; --" VALUES ('a', false), ('b', false)""")
    connector = shop.connector(
        accounts={"table": 'public.Odd "Table" ; --', "account": "Log In"},
        measures={"reset_password": {"set": {"must; DROP": True}}},
    )
    assert answers(connector, ["a"], RESET) == {"a": Answer.TAKEN}
    assert ask(shop, """SELECT "Log In", "must; DROP" FROM "Odd ""Table"" ; --" ORDER BY 1""") == [
        ("a", True),
        ("b", False),
    ]


@pytest.mark.parametrize(
    ("kind", "known", "alike"),
    [
        ("bigint", "7", ["07", "+7", " 7", "7.0", "7e0", "99999999999999999999", "x"]),
        ("uuid", "0192f0c1-2b3c-7d4e-8f50-112233445566", ["0192F0C1-2B3C-7D4E-8F50-112233445566", "0192f0c1"]),
        ("text", "Ada", ["ada", "ADA", "Ada ", "A%", "A\0a"]),
        ("char(5)", "Ada", ["ada", "Ada  x"]),
    ],
)
def test_only_the_very_account_is_changed_not_one_that_is_alike(shop, kind, known, alike):
    ask(shop, "DROP TABLE IF EXISTS typed")
    ask(shop, f"CREATE TABLE typed (account {kind} UNIQUE, active boolean DEFAULT true)")
    ask(shop, f"INSERT INTO typed VALUES ('{known}')")
    connector = shop.connector(
        accounts={"table": "typed", "account": "account"}, measures={"suspend": {"set": {"active": False}}}
    )
    assert set(answers(connector, alike, SUSPEND).values()) == {Answer.ABSENT}
    assert answers(connector, [known, *alike], SUSPEND)[known] is Answer.TAKEN
    assert ask(shop, "SELECT active FROM typed") == [(False,)]


def test_an_account_with_two_rows_is_refused_and_neither_is_changed(shop):
    ask(shop, "CREATE TABLE twice (account text, active boolean DEFAULT true)")
    ask(shop, "INSERT INTO twice VALUES ('a'), ('a'), ('b')")
    connector = shop.connector(
        accounts={"table": "twice", "account": "account"}, measures={"suspend": {"set": {"active": False}}}
    )
    assert answers(connector, ["a", "b"], SUSPEND) == {"a": Answer.REFUSED, "b": Answer.TAKEN}
    assert ask(shop, "SELECT count(*) FROM twice WHERE active") == [(2,)]
    assert any("not unique" in remark.text for remark in connector.check())


def test_sessions_of_after_the_containment_time_stay(shop):
    account = shop.accounts(1)[0]
    ask(shop, "INSERT INTO sessions SELECT 'fresh-' || id, id, now() FROM customers WHERE login = %s", account)
    assert answers(shop.connector(), [account], REVOKE) == {account: Answer.TAKEN}
    left = "SELECT token FROM sessions JOIN customers c ON c.id = customer_id WHERE login = %s"
    assert [token[:6] for (token,) in ask(shop, left, account)] == ["fresh-"]
    assert [read.holding for read in shop.connector().verify(orders([account], REVOKE))] == [Holding.IN_FORCE]


def test_rows_that_somebody_else_holds_are_tried_later_and_nothing_is_half_done(shop):
    accounts = shop.accounts(3)
    with shop.session() as other:
        other.execute("SELECT FROM customers WHERE login = %s FOR UPDATE", [accounts[1]])
        connector = shop.connector(lock_timeout_seconds=1)
        assert set(answers(connector, accounts, RESET).values()) == {Answer.LATER}
    assert not any(shop.holds(account, RESET) for account in accounts)
    assert set(answers(connector, accounts, RESET).values()) == {Answer.TAKEN}


def test_a_role_without_a_right_is_told_which_one_before_anyone_relies_on_it(shop):
    connector = shop.connector()
    connector._settings.connection["options"] += " -c role=tocsin_shop"
    account = shop.accounts(1)[0]
    assert [remark.text for remark in connector.check() if remark.standing is Standing.FAULT] == []
    assert answers(connector, [account], RESET) == {account: Answer.TAKEN}
    ask(shop, "REVOKE UPDATE (active) ON customers FROM tocsin_shop")
    faults = [remark for remark in connector.check() if remark.standing is Standing.FAULT]
    assert ["active" in remark.text and "GRANT UPDATE" in remark.mend for remark in faults] == [True]
    with pytest.raises(SystemNotUnderstood):
        answers(connector, [account], SUSPEND)
    ask(shop, "GRANT UPDATE (active) ON customers TO tocsin_shop")


def test_a_check_names_the_column_that_is_not_there(shop):
    connector = shop.connector(measures={"suspend": {"set": {"enabled": False}}})
    faults = [remark.text for remark in connector.check() if remark.standing is Standing.FAULT]
    assert faults == ["public.customers.enabled is not there."]


def test_django_people_are_flagged_in_a_table_of_their_own_and_their_passwords_are_left_alone(shop):
    ask(shop, DJANGO)
    connector = connect(
        "django",
        settings={"host": str(shop.place.socket_folder), "database": "shop", "user": "tocsin", "preset": "django"},
        secrets={},
    )
    assert connector.abilities().takes == connector.abilities().undoes == {RESET, SUSPEND}
    wanted = ["member1", "member2", "member3"]
    assert set(answers(connector, wanted, RESET).values()) == {Answer.TAKEN}
    assert ask(shop, "SELECT DISTINCT password FROM auth_user") == [("pbkdf2",)]
    ask(shop, "UPDATE tocsin_must_change SET done_at = now() WHERE user_id = 2")
    read = {each.order.account: each.holding for each in connector.verify(orders([*wanted, "member4"], RESET))}
    assert read == {
        "member1": Holding.IN_FORCE,
        "member2": Holding.DONE,
        "member3": Holding.IN_FORCE,
        "member4": Holding.NOT_IN_FORCE,
    }
    assert [fact.account for fact in connector.done_since(SINCE.isoformat())[0]] == ["member2"]
    assert answers(connector, wanted, RESET, "undo")["member1"] is Answer.TAKEN
    assert ask(shop, "SELECT user_id FROM tocsin_must_change") == [(2,)]


def test_undoing_a_suspension_is_for_those_we_suspended(shop):
    held = answers(shop.connector(), shop.accounts(1), SUSPEND)
    account = next(iter(held))
    assert answers(shop.connector(), [account], SUSPEND, "undo") == {account: Answer.TAKEN}
    assert answers(shop.connector(), [account], SUSPEND, "undo") == {account: Answer.HELD_ALREADY}


def test_what_cannot_be_undone_is_said_beforehand(shop):
    abilities = shop.connector().abilities()
    assert REVOKE in abilities.takes - abilities.undoes
    assert any("cannot be brought back" in warning for warning in abilities.warnings)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"host": ""}, "host"), ({"port": 0}, "port"), ({"accounts": "customers"}, "accounts"), ({"sql": "x"}, "sql"),
        ({"accounts": {"table": "a.b.c", "account": "x"}}, "accounts.table"), ({"measures": {}}, "measures"),
        ({"measures": {"explode": {}}}, "measures.explode"), ({"measures": {"suspend": {}}}, "measures.suspend"),
        ({"measures": {"suspend": {"set": {"a": [1]}}}}, "measures.suspend.set"), ({"preset": "rails"}, "preset"),
        ({"measures": {"suspend": {"set": {"a": 1}, "undo": {"b": 1}}}}, "measures.suspend.undo"),
        ({"measures": {"suspend": {"delete": "sessions"}}}, "measures.suspend.delete"),
        ({"measures": {"suspend": {"flag": {"table": "f"}}}}, "measures.suspend.flag.column"),
        ({"batch": 10**9}, "batch"), ({"ca_file": "/no/such"}, "ca_file"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named(change, where):
    with pytest.raises(SystemNotUnderstood) as raised:
        connect("shop", settings={**GOOD, **change}, secrets={})
    assert raised.value.where == f"shop: {where}"


def test_another_machine_is_believed_only_with_its_certificate():
    connector = connect("shop", settings=GOOD, secrets={"password": "x"})
    assert connector._settings.connection["sslmode"] == "verify-full"


@pytest.mark.benchmark
@pytest.mark.timeout(3600)
def test_a_million_accounts_and_their_sessions(shop, capsys):
    n = int(os.environ.get("TOCSIN_BENCHMARK_LINES") or 1_000_000)
    ask(shop, "TRUNCATE customers, sessions, must_reply CASCADE")
    ask(
        shop,
        "INSERT INTO customers (id, login, changed_at) SELECT n, 'login-' || n, now() - interval '9 days' "
        "FROM generate_series(1, %s) n",
        n + n // 10,
    )
    ask(
        shop,
        "INSERT INTO sessions SELECT md5(n::text || e::text), n, now() - interval '9 days' "
        "FROM generate_series(1, %s) n, generate_series(1, 2) e",
        n + n // 10,
    )
    ask(shop, "ANALYZE")
    connector = shop.connector()
    took = {}
    for kind in (RESET, REVOKE):
        began = time.monotonic()
        taken = 0
        for start in range(0, n, 20_000):
            part = [f"login-{number + 1}" for number in range(start, start + 20_000)]
            taken += sum(outcome.answer is Answer.TAKEN for outcome in connector.apply(orders(part, kind)))
        took[kind] = time.monotonic() - began
        assert taken == n
    began = time.monotonic()
    read = sum(
        each.holding is Holding.IN_FORCE
        for start in range(0, n, 20_000)
        for each in connector.verify(orders([f"login-{x + 1}" for x in range(start, start + 20_000)], RESET))
    )
    took["reading back"] = time.monotonic() - began
    assert read == n
    assert ask(shop, "SELECT count(*) FILTER (WHERE must_change), count(*) FROM customers") == [(n, n + n // 10)]
    assert ask(shop, "SELECT count(*) FROM sessions") == [(2 * (n // 10),)]
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    with capsys.disabled():
        print(f"\n{n:,} accounts, two sessions each:", {str(k): f"{v:.0f} s" for k, v in took.items()}, f"{mib} MiB")
