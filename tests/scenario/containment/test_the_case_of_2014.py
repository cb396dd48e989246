"""The case of 2014 from its logs to the last safe account, through the command line alone."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tocsin.kernel import clock, home
from tocsin.project import database_place, main

PASSPHRASE = "correct horse battery staple"
LINES = "50000"
FIXED = "8.11.1"  # the first Android client that is signed with the new key (docs: the demo's policy)

Run = Callable[..., str]


@pytest.fixture
def tocsin(capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run commands in this test's own home and return what they print; the server goes at the end."""

    def run(*arguments: object, code: int = 0) -> str:
        capsys.readouterr()
        ended = main.run([str(each) for each in arguments])
        printed = capsys.readouterr()
        assert ended == code, printed.out[-2000:] + printed.err[-2000:]
        return printed.out + printed.err

    yield run
    base = database_place.base_if_made()
    if base is not None:
        shutil.rmtree(base)


class People:
    """Three enrolled people, each with a key of their own."""

    def __init__(self, tocsin: Run, folder: Path) -> None:
        self.word = folder / "word"
        self.word.write_text(PASSPHRASE + "\n")
        self.folder = folder
        first: tuple[object, ...] = ("--as", "Ada")
        for name in ("Ada", "Bo", "Cy"):
            new = ("--new-key", folder / f"{name}.pem", "--new-passphrase-file", self.word)
            tocsin("staff", "enrol", name, *new, *first)
            first = self.signs("Ada")

    def signs(self, name: str) -> tuple[object, ...]:
        return ("--as", name, "--key", self.folder / f"{name}.pem", "--passphrase-file", self.word)


class AtTheGate:
    """The command of the protected product, run as its own program: it knows a list and a trust file, no more."""

    def __init__(self, snapshot: Path, trust: Path) -> None:
        self.fixed = ("check", snapshot, "--trust", trust)

    def ask(self, account: str, **said: object) -> tuple[int, dict[str, object]]:
        options = [text for name, value in said.items() for text in (f"--{name.replace('_', '-')}", str(value))]
        command = [sys.executable, "-m", "tocsin_gate", *map(str, self.fixed), "--account", account, *options]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        return ended.returncode, json.loads(ended.stdout)


def planted(tocsin: Run, folder: Path, *arguments: object) -> dict:
    """Play a scenario and keep its logs; the truth is only looked at to know whom to ask about."""
    tocsin("demo", "--lines", LINES, "--keep", "--out", folder, *arguments)
    return json.loads((folder / "truth" / "truth.json").read_text())


def contained(tocsin: Run, people: People, *, folder: Path, tmp_path: Path) -> AtTheGate:
    """From logs to a published list: investigate, freeze, plan, two signatures, start."""
    tocsin(
        "investigate", folder / "logs", "--accounts", folder / "truth" / "accounts.csv", "--out", tmp_path / "found",
        "--open", *people.signs("Ada"), code=10,
    )  # fmt: skip
    tocsin("scope", "freeze", "1", *people.signs("Ada"))
    tocsin("contain", "plan", "1", "--policy", folder / "truth" / "policy.yml", *people.signs("Ada"))
    accounts = json.loads(tocsin("contain", "show", "1", "--json"))["accounts"]
    assert "nobody approves their own act" in tocsin(
        "contain", "approve", "1", "--accounts", accounts, *people.signs("Ada"), code=2
    )
    tocsin("contain", "approve", "1", "--accounts", accounts, *people.signs("Bo"))
    if accounts > 100:
        assert "approvals" in tocsin("contain", "start", "1", *people.signs("Ada"), code=2)
    tocsin("contain", "approve", "1", "--accounts", accounts, *people.signs("Cy"))
    tocsin("contain", "start", "1", "--emergency", "the intruder is still inside", *people.signs("Ada"))
    tocsin("gate", "trust", "--out", tmp_path / "trust.json")
    return AtTheGate(home.data_home() / "gate" / "list.tcs", tmp_path / "trust.json")


def of_the_cohort(found: Path) -> list[str]:
    rows = [line.split(",") for line in (found / "affected.csv").read_text().splitlines()[1:]]
    return [row[0] for row in rows if row[2] == "precaution"]


def safe(status: dict) -> int:
    return status["accounts"] - sum(line["accounts"] for line in status["not_yet_safe"])


def back_again(path: Path, accounts: list[str], *, at: datetime, staff: str = "") -> Path:
    """Write the company's own logs of these people: signed in anew, and on Android with the new client."""
    lines = []
    for n, account in enumerate(accounts):
        session, ip = f"{n:032x}", f"100.92.{n // 250 % 250}.{n % 250 + 1}"
        agent = f"Larkwave/{FIXED} Android/14 (Pixel 8)"
        client = {"platform": "android", "app_version": FIXED}
        login = {
            "time": at.isoformat(), "event": "login", "account": account, "login": None, "ip": ip, "country": "GB",
            "result": "success", "reason": None, "factor": "password", "session": session, "user_agent": agent,
            "device": f"dv-{n:012x}", **client,
        }  # fmt: skip
        lines.append(login)
    path.mkdir()
    (path / "auth.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if staff:
        tools = {"staff": staff, "session": "f" * 32, "ip": "192.0.2.12", "user_agent": "Mozilla/5.0", "device": "lt-1"}
        events = [("password_changed", "success"), ("sessions_revoked", "success"), ("login", "success")]
        rows = [
            {"time": (at + timedelta(seconds=n)).isoformat(), **tools, "event": event, "method": None, "path": None,
             "status": None, "result": result, "reason": None, "factor": "totp"}
            for n, (event, result) in enumerate(events)
        ]  # fmt: skip
        (path / "staff-tools.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_from_the_logs_to_the_last_safe_account(tocsin: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demo = tmp_path / "demo"
    truth = planted(tocsin, demo)
    people = People(tocsin, tmp_path)
    gate = contained(tocsin, people, folder=demo, tmp_path=tmp_path)
    (intruder,), (customer,) = truth["principals"], [each["account"] for each in truth["confirmed"]]
    cohort, then = of_the_cohort(tmp_path / "found"), truth["attacks"][0]["last_ts"] // 1000
    later = int(clock.now().timestamp()) + 600

    # the intruder's token is refused, whatever it says of its client
    assert gate.ask(intruder, token_issued_at=then)[0] == 20
    assert gate.ask(intruder, token_issued_at=then, platform="ios", client_version="9.0")[0] == 20
    assert gate.ask(customer, token_issued_at=then)[0] == 20
    # the cohort signs in again; on Android with the new client, on iOS and Windows with any
    member = cohort[0]
    assert gate.ask(member, token_issued_at=then, platform="ios", client_version="8.8.1")[1]["code"] == (
        "reauthentication_required"
    )
    assert gate.ask(member, token_issued_at=later, platform="ios", client_version="8.8.1")[0] == 0
    assert gate.ask(member, token_issued_at=later, platform="windows", client_version="1.0")[0] == 0
    refused = gate.ask(member, token_issued_at=later, platform="android", client_version="8.10.2")
    assert (refused[0], refused[1]["code"], refused[1]["version_min"]) == (20, "client_too_old", FIXED)
    assert gate.ask(member, token_issued_at=later, platform="android", client_version=FIXED)[0] == 0
    # everybody else passes; only an old Android client is asked to update
    assert gate.ask("u99999999", token_issued_at=then, platform="ios", client_version="1.0")[0] == 0
    assert gate.ask("u99999999", token_issued_at=then)[0] == 0
    assert gate.ask("u99999999", token_issued_at=then, platform="android", client_version="8.9")[1]["code"] == (
        "client_too_old"
    )

    # half of them come back, then the rest: the funnel says so, and closes
    moment = clock.now() + timedelta(minutes=20)
    half, rest = [customer, *cohort[: len(cohort) // 2]], cohort[len(cohort) // 2 :]
    with clock.fixed(moment):
        tocsin("contain", "follow", "1", back_again(tmp_path / "first", half, at=moment - timedelta(minutes=2)))
        status = json.loads(tocsin("contain", "status", "1", "--json"))
        assert safe(status) == len(half)
        returned = back_again(tmp_path / "second", rest, at=moment - timedelta(minutes=1), staff=intruder)
        tocsin("contain", "follow", "1", returned)
        status = json.loads(tocsin("contain", "status", "1", "--json"))
    assert safe(status) == status["accounts"] == len(cohort) + 2
    assert status["not_yet_safe"] == []
    assert "The journal holds" in tocsin("journal", "verify")


def test_accounts_of_the_intruder_are_suspended_and_counted_apart(tocsin: Run, tmp_path: Path) -> None:
    demo = tmp_path / "demo"
    truth = planted(tocsin, demo, "--scenario", "catalogue-scrape")
    gate = contained(tocsin, People(tocsin, tmp_path), folder=demo, tmp_path=tmp_path)
    plan = json.loads(tocsin("contain", "show", "1", "--json"))
    assert {line["measure"] for line in plan["dry_run"]["measures"]} == {"suspend"}
    assert plan["accounts"] == len(truth["attackers"])
    soon = int(clock.now().timestamp()) + 600
    for account in truth["attackers"]:
        assert gate.ask(account, token_issued_at=soon)[1]["code"] == "suspended"
    assert gate.ask("u99999999", token_issued_at=soon)[0] == 0
    lines = json.loads(tocsin("contain", "status", "1", "--json"))["funnel"]
    assert {line["measure"] for line in lines} == {"suspend"}
