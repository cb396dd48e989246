"""What stands in affected.csv and objects.csv, and that a spreadsheet does not run it."""

import csv
import io
import re
from pathlib import Path

import pytest
from tests.contract.scopes.conftest import ATTACK, OFFENDER, Logs

from tocsin.detections.values import AccountRole, Kind, SuspectType
from tocsin.scopes.files import original_cell, write_scope_files
from tocsin.scopes.queries import summary

AFFECTED = "account,role,certainty,country,first_at,last_at,data,platform,client_version,reasons,detections"
OBJECTS = "object_type,object,owner,operation,count,first_at,last_at,by"
HOSTILE = [
    "=1+1",
    "+331234",
    "-2",
    "@SUM(A1)",
    "'quoted",
    "a,b",
    'say "hi"',
    "  =1",
    "\N{FULLWIDTH EQUALS SIGN}1",
    "plain",
]


def read_records(logs: Logs, owners: list[str]) -> None:
    """An intruder opens the records of ``owners``."""
    for owner in owners:
        logs.staff_read(ATTACK, "maja", owner, **OFFENDER)
    logs.detect(Kind.INTERNAL_ACCESS, SuspectType.PRINCIPAL, "maja", where="actor_user_uid = 'maja'", owners=True)


def written(logs: Logs, folder: Path) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Draft, write, and read both files back."""
    logs.draft()
    assert logs.store is not None
    folder.mkdir(exist_ok=True)
    paths = write_scope_files(logs.store, folder=folder)
    affected, objects = (
        list(csv.DictReader(io.StringIO(path.read_bytes().decode(), newline=""))) for path in paths[:2]
    )
    return affected, objects


def test_the_files_have_the_promised_columns_even_when_empty(logs: Logs, tmp_path: Path) -> None:
    written(logs, tmp_path)
    assert (tmp_path / "affected.csv").read_text().splitlines() == [AFFECTED]
    assert (tmp_path / "objects.csv").read_text().splitlines() == [OBJECTS]
    assert (tmp_path / "principals.csv").read_text().splitlines() == ["principal,first_at,last_at"]


def test_a_row_says_who_when_what_and_why(logs: Logs, tmp_path: Path) -> None:
    read_records(logs, ["cust1"])
    affected, objects = written(logs, tmp_path)
    assert affected == [
        {
            "account": "cust1", "role": "victim", "certainty": "confirmed", "country": "",
            "first_at": "2023-11-15T12:00:00.000Z", "last_at": "2023-11-15T12:00:00.000Z", "data": "profile",
            "platform": "", "client_version": "",
            "reasons": "its data was opened by the intruder: Rule of internal_access", "detections": "d0",
        }
    ]  # fmt: skip
    assert objects[0]["by"] == "maja"
    assert (objects[0]["operation"], objects[0]["count"]) == ("read", "1")


def test_no_cell_begins_like_a_formula_and_every_name_can_be_had_back(logs: Logs, tmp_path: Path) -> None:
    read_records(logs, HOSTILE)
    affected, objects = written(logs, tmp_path)
    cells = [row["account"] for row in affected]
    assert not [cell for cell in cells if re.match(r"\s*[=+\-@\uff1d]", cell)]
    assert sorted(original_cell(cell) for cell in cells) == sorted(HOSTILE)
    assert sorted(original_cell(row["object"]) for row in objects) == sorted(HOSTILE)


def test_an_account_with_hidden_characters_does_not_pass_for_another(logs: Logs, tmp_path: Path) -> None:
    read_records(logs, ["bob", "bob\u202e", "b\tob", "\r=1"])
    affected, _ = written(logs, tmp_path)
    assert sorted(row["account"] for row in affected) == sorted(["bob", "bob\ufffd", "b\ufffdob", "'\ufffd=1"])


def test_writing_twice_replaces_the_file_and_leaves_nothing_aside(logs: Logs, tmp_path: Path) -> None:
    read_records(logs, ["cust1"])
    out = tmp_path / "out"
    first, _ = written(logs, out)
    again, _ = written(logs, out)
    assert first == again
    assert sorted(path.name for path in out.iterdir()) == ["affected.csv", "objects.csv", "principals.csv"]


@pytest.mark.parametrize("attackers", [0, 3])
def test_the_summary_counts_no_attackers(logs: Logs, attackers: int) -> None:
    read_records(logs, ["cust1"])
    for number in range(attackers):
        logs.add(ATTACK, account=f"bot{number}", **OFFENDER)
    logs.detect(Kind.SCRAPING, SuspectType.NETWORK, "x", where="account LIKE 'bot%'", accounts=AccountRole.ATTACKER)
    told = summary(logs.draft())
    assert told["affected"] == {"confirmed": 1, "likely": 0, "precaution": 0}
    assert told["data"]["profile"] == "reached"
