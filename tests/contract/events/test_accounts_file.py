"""A list of accounts joins by its columns of names, and by nothing two people may share."""

import json

import pytest

from tocsin.events import queries
from tocsin.kernel.errors import TocsinError


@pytest.mark.parametrize(
    ("header", "taken", "left"),
    [
        ("account,email,login", ("email", "login"), ()),
        ("account,country,email,plan,created", ("email",), ("country", "plan", "created")),
        ("id;E-Mail;User Name;Old-Login;phone", ("E-Mail", "User Name", "Old-Login"), ("phone",)),
        ("uid,workEmail,alias2,name,plan_id,country_id", ("workEmail", "alias2"), ("name", "plan_id", "country_id")),
        ("account\tuserPrincipalName\tdepartment", ("userPrincipalName",), ("department",)),
    ],
)
def test_only_columns_whose_header_says_so_are_names(tmp_path, header, taken, left):
    (tmp_path / "accounts.csv").write_text(header + "\n")
    columns = queries.account_columns(tmp_path / "accounts.csv")
    assert (columns.taken, columns.left) == (taken, left)


@pytest.mark.parametrize("header", ["", "account", "account,country,plan"])
def test_a_list_without_a_column_of_names_is_an_error_that_shows_one(tmp_path, header):
    (tmp_path / "accounts.csv").write_text(header + "\n7,FR,free\n")
    with pytest.raises(TocsinError, match="other names") as told:
        queries.account_columns(tmp_path / "accounts.csv")
    assert "account,email,login" in told.value.mend


def test_a_country_two_accounts_share_joins_neither_of_them(tmp_path, read):
    (tmp_path / "a.json").write_text(
        "\n".join(
            json.dumps({"time": "2026-01-01T00:00:00Z", "ip": "192.0.2.1", "user": user, "path": "/x"})
            for user in ["ann@example.com", "FR", "gold"]
        )
    )
    (tmp_path / "accounts.csv").write_text("account,country,email,plan\n7,FR,ann@example.com,gold\n")
    reading = read([tmp_path / "a.json"], accounts=tmp_path / "accounts.csv")
    assert {row["account"] for row in reading.rows("account")} == {"7", "FR", "gold"}


def test_a_name_of_two_accounts_joins_neither_and_is_given_as_an_example(tmp_path, read):
    event = {"time": "2026-01-01T00:00:00Z", "ip": "192.0.2.1", "user": "shared@example.com", "path": "/x"}
    (tmp_path / "a.json").write_text(json.dumps(event))
    (tmp_path / "accounts.csv").write_text("account,email\n7,shared@example.com\n8,shared@example.com\n")
    reading = read([tmp_path / "a.json"], accounts=tmp_path / "accounts.csv")
    assert reading.rows("account") == [{"account": "shared@example.com"}]
    assert reading.unjoined.examples == ("shared@example.com",)
