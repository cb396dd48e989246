"""From a list of customers to the answer "did she get it, and how do you know", through the command line."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tocsin.project import database_place, database_server, main

HEADER = "account,role,certainty,country,first_at,last_at,data,platform,client_version,reasons,detections"
OPEN = (
    "from pathlib import Path; from tocsin.project import database; from tocsin.scopes import commands\n"
    "from tocsin.staff import queries\n"
    "with database.opened():\n"
    "    commands.open_revision(1, folder=Path({folder!r}), by=queries.asserted_author('Mona'))\n"
)
MONA = ("--as", "Mona")
Run = Callable[..., str]


@pytest.fixture
def tocsin(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run commands in this test's own home and folder and return what they print; the server goes at the end."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object, code: int = 0) -> str:
        capsys.readouterr()
        ended = main.run([str(each) for each in arguments])
        printed = capsys.readouterr()
        assert ended == code, printed.out + printed.err
        return printed.out + printed.err

    place = database_place.find()
    with database_server.running(place):  # once, and not for each command
        yield run
    shutil.rmtree(place.base)


@pytest.fixture
def mail_server() -> Iterator[int]:
    """Run the simulator's mail server and return its port."""
    command = [Path(sys.executable).parent / "tocsin-simulator", "smtp", "--port", "0", "--http-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield int(line.split("smtp://127.0.0.1:")[1].split()[0])
        process.send_signal(signal.SIGTERM)


def found(folder: Path) -> Path:
    for name in ("events", "sources"):
        (folder / name).mkdir(parents=True)
    rows = [
        f"{name},victim,confirmed,FR,,,profile,web,,read by a stranger,d1" for name in ("ada", "ada2", "bob", "zoe")
    ]
    rows.append("mal,attacker,confirmed,FR,,,profile,web,,x,d1")
    (folder / "affected.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    (folder / "detections.jsonl").write_text("")
    return folder


def test_everybody_affected_is_told_once_and_an_operator_can_say_who_got_it(
    tocsin: Run, mail_server: int, tmp_path: Path
):
    (tmp_path / "people.csv").write_bytes(
        "Compte;N° client;Nom;Langue;Téléphone;E-mail\n"
        "ada;1;Ada Byron;fr;06 12 34 56 78;ada@example.com\n"
        "ada2;1;;;;\n"
        "bob;2;;en;12;bob@example.com\n"
        "mal;9;Mallory;en;;mallory@example.com\n".encode("cp1252")
    )
    printed = tocsin("customer", "import", "people.csv", "--country", "FR", *MONA, code=3)
    assert "Latin-1" in printed
    assert "telephone number that cannot be read" in printed
    refused = next(Path(os.environ["TOCSIN_HOME"]).glob("refused/*.csv"))
    assert "bad_phone" in refused.read_text(encoding="utf-8")
    assert stat.S_IMODE(refused.stat().st_mode) == 0o600
    shown = tocsin("customer", "show", "ada2")
    assert "+33*******78" in shown
    assert "ada@example.com" not in shown
    assert "ada@example.com" in tocsin("customer", "show", "ada2", "--reveal", *MONA)
    shown = json.loads(tocsin("customer", "show", "ADA@example.com", "--json"))
    assert [each["accounts"] for each in shown] == [["ada", "ada2"]]
    assert [each["value"] for each in shown[0]["addresses"]] == ["+33*******78", "a***@e***.com"]
    assert "customers.addresses_revealed" in tocsin("journal", "list")

    tocsin("incident", "declare", "A stranger read", *MONA)
    folder = found(tmp_path / "out")
    assert "people who can be reached" in tocsin("customer", "reach", folder, code=3)
    subprocess.run([sys.executable, "-c", OPEN.format(folder=str(folder))], check=True, capture_output=True)
    config = {"host": "127.0.0.1", "port": mail_server, "security": "none", "from": "us@example.com"}
    (tmp_path / "mail.yml").write_text(json.dumps(config))
    tocsin("channel", "add", "mail", "--kind", "email", "--config", "mail.yml", *MONA)

    (tmp_path / "notice.en.json").write_text('{"subject": "Yours", "text": "Hello {name}, about {accounts}."}')
    (tmp_path / "notice.fr.json").write_text('{"subject": "Vous", "text": "Bonjour {name} : {accounts}."}')
    send = ("message", "send", "--channel", "mail", "--incident", "1", "--content", "notice.json")
    assert "no frozen scope" in tocsin(*send, code=2)
    tocsin("scope", "freeze", "1", *MONA)
    assert "nobody-1-1.csv" in tocsin("customer", "reach", "1", code=3)
    assert (tmp_path / "nobody-1-1.csv").read_text() == (
        "account,role,certainty,reason\nzoe,victim,confirmed,unknown_account\n"
    )
    assert "repeat the command with --people 2" in tocsin(*send, "--left-out", "rest.csv", code=3)
    rest = ("message", "send", "--channel", "mail", "--accounts", "rest.csv", "--subject", "x", "--text", "x")
    assert "does not have" in tocsin(*rest, code=3)
    assert "There are 2 people now, not 3." in tocsin(*send, "--people", "3", *MONA, code=2)
    assert "messages queued" in tocsin(*send, "--people", "2", *MONA, code=3)
    assert "Everybody had this message already." in tocsin(*send, "--people", "2", *MONA, code=3)

    assert "Not yet: it waits to be sent." in tocsin("message", "trace", "--account", "ada")
    tocsin("send", "--drain")
    traced = tocsin("message", "trace", "--account", "ada2")
    assert "Not known: the mail server took it" in traced
    assert "Proven by the journal entries" in traced
    assert "Bonjour Ada Byron : ada, ada2." in traced
    told = json.loads(tocsin("message", "trace", "--address", "BOB@example.com".lower(), "--json"))
    assert (told[0]["answer"], told[0]["message"]["address"]) == ("not_known", "b***@e***.com")
    assert {proof["proven"] for proof in told[0]["proofs"]} == {"proven"}
    message = told[0]["message"]
    for who in ("bob", " BOB@EXAMPLE.COM", message["id"], message["provider_id"], message["provider_id"].strip("<>")):
        stories = json.loads(tocsin("message", "trace", who, "--json"))
        assert [each["message"]["id"] for each in stories] == [message["id"]], who
    assert "Not known: nobody here is called so." in tocsin("message", "trace", "nobody")
    assert "Account zoe leads to nobody." in tocsin("message", "trace", "--account", "zoe")
    assert "no message was ever queued" in tocsin("message", "trace", "--account", "mal")
    listed = tocsin("message", "list", "--broadcast", "incident:1:affected", "--state", "sent")
    assert listed.count("taken by the provider") == 2
    assert "Hello Madam or Sir, about bob." in tocsin("message", "show", told[0]["message"]["id"])


def test_one_address_is_written_to_and_what_is_wrong_is_said_before_anything_is_queued(tocsin: Run, tmp_path: Path):
    config = {"host": "127.0.0.1", "port": 9, "security": "none", "from": "us@example.com"}
    (tmp_path / "mail.yml").write_text(json.dumps(config))
    tocsin("channel", "add", "mail", "--kind", "email", "--config", "mail.yml", *MONA)
    send = ("message", "send", "--channel", "mail")
    letter = ("--subject", "x", "--text", "Hello {name|there}")
    assert "one of --to, --account" in tocsin(*send, *letter, code=2)
    assert "needs a --subject" in tocsin(*send, "--to", "a@example.com", "--text", "x", code=2)
    assert "Templates are WhatsApp's" in tocsin(*send, "--to", "a@example.com", "--template", "x", code=2)
    assert "no e-mail address" in tocsin(*send, "--to", "nobody", *letter, code=2)
    assert "Hello there" in tocsin(*send, "--to", "a@example.com", *letter, "--dry-run")
    assert "leads to nobody" in tocsin("customer", "show", "ada", code=2)
    (tmp_path / "accounts.txt").write_text("ada\n")
    assert "does not have" in tocsin(*send, "--accounts", "accounts.txt", *letter, code=3)
    once = (*send, "--to", "a@example.com", *letter, "--once", "greeting", *MONA)
    assert "Queued:" in tocsin(*once)
    assert "this label already" in tocsin(*once)
    waited = tocsin(*send, "--to", "a@example.com", *letter, "--wait", "--seconds", "1", *MONA)
    assert "Nobody sends at present" in waited
    assert tocsin("message", "list").count("queued") == 3  # two rows and a heading
