"""Who is who: joined where the logs or the operator say so, counted where not, never guessed."""

import json


def test_a_session_belongs_to_the_account_that_logged_in_with_it(tmp_path, read):
    logins = [{"time": "2026-01-01T00:00:00Z", "ip": "192.0.2.1", "user": "ann", "session": "s1", "path": "/login"}]
    calls = [
        {"time": "2026-01-01T00:00:01Z", "ip": "192.0.2.1", "session": "s1", "path": "/x/1"},
        {"time": "2026-01-01T00:00:02Z", "ip": "192.0.2.1", "session": "s2", "path": "/x/2"},
    ]
    (tmp_path / "login.json").write_text("\n".join(map(json.dumps, logins)))
    (tmp_path / "calls.json").write_text("\n".join(map(json.dumps, calls)))
    reading = read([tmp_path / "login.json", tmp_path / "calls.json"])
    by_path = {row["url_path"]: row["account"] for row in reading.rows("url_path, account")}
    assert by_path == {"/login": "ann", "/x/1": "ann", "/x/2": None}
    assert reading.unjoined.sessions_without_account == 1


def test_a_session_used_by_two_accounts_is_counted_and_not_guessed(tmp_path, read):
    rows = [
        {"time": f"2026-01-01T00:00:0{n}Z", "ip": "192.0.2.1", "user": user, "session": "s1", "path": "/x"}
        for n, user in enumerate(["ann", "bob"])
    ]
    rows.append({"time": "2026-01-01T00:00:09Z", "ip": "192.0.2.1", "session": "s1", "path": "/who"})
    (tmp_path / "a.json").write_text("\n".join(map(json.dumps, rows)))
    reading = read([tmp_path / "a.json"])
    assert reading.rows("account", where="url_path = '/who'") == [{"account": None}]
    assert reading.unjoined.sessions_with_several_accounts == 1
    assert "several accounts" in (reading.folder / "unjoined.csv").read_text()


def test_the_operators_account_file_joins_names_to_accounts(tmp_path, read):
    (tmp_path / "a.json").write_text(
        "\n".join(
            json.dumps({"time": "2026-01-01T00:00:00Z", "ip": "192.0.2.1", "user": user, "path": "/x"})
            for user in ["Ann@example.com", "ann.login", "7"]
        )
    )
    (tmp_path / "accounts.csv").write_text("account,email,login\n7,ann@example.com,ann.login\n")
    assert {row["account"] for row in read([tmp_path / "a.json"], folder="without").rows("account")} == {
        "Ann@example.com", "ann.login", "7",
    }  # fmt: skip
    joined = read([tmp_path / "a.json"], folder="with", accounts=tmp_path / "accounts.csv")
    assert {row["account"] for row in joined.rows("account")} == {"7"}
