"""The command line against a simulator in a process of its own, with our rows in a real database."""

import io
import json
import re
from urllib.request import Request, urlopen
from uuid import UUID

import pytest

from tocsin.integrations.whatsapp.receiving import RECEIVING
from tocsin.kernel import clock
from tocsin.kernel.home import home_path
from tocsin.messaging import commands, queries
from tocsin.messaging.values import IntakeBody
from tocsin.project import database
from tocsin.project.main import run

from .test_sending import NOTICE

HELLO = {"name": "hello_world", "language": "en_US", "category": "UTILITY",
         "components": [{"type": "BODY", "text": "Welcome and congratulations."}]}  # fmt: skip


@pytest.fixture
def tocsin(url, peer, tmp_path, capsys):
    """Return a way to run commands: ``tocsin("whatsapp", ...)`` -> (exit code, what it printed)."""
    (tmp_path / "token").write_text(peer.token + "\n")
    (tmp_path / "app").write_text("secret\n")
    (tmp_path / "more.yml").write_text(f"base_url: {peer.address}\narchive_url: {peer.address}\n")

    def command(*arguments, code=0):
        capsys.readouterr()
        found = run([str(each) for each in arguments])
        said = capsys.readouterr()
        assert found == code, said.out + said.err
        assert peer.token not in said.out + said.err
        return said.out

    def connect(*more, code=0):
        return command(
            "whatsapp", "connect", "main", "--phone-number-id", peer.line, "--waba-id", peer.account,
            "--secret", f"token=@{tmp_path / 'token'}", "--secret", f"app_secret=@{tmp_path / 'app'}",
            "--config", tmp_path / "more.yml", *more, code=code,
        )  # fmt: skip

    command.connect = connect
    return command


def test_a_number_is_connected_looked_after_and_tested(tocsin, tmp_path, peer):
    """The whole way of somebody new: connect, template, test message, and everything beside."""
    (tmp_path / "hello.json").write_text(json.dumps(HELLO))
    (tmp_path / "notice.json").write_text(json.dumps(NOTICE))
    said = tocsin.connect("--public-url", "https://tocsin.example.org")
    assert "whatsapp_business_messaging" in said
    assert "No template is approved" in said
    app = re.search(r"https://tocsin\.example\.org/webhooks/v1/([\w-]{20,})", said)[1]
    assert re.search(r"verify token +[\w-]{20,}", said)

    assert "hello_world/en_US: APPROVED" in tocsin("whatsapp", "templates", "create", tmp_path / "hello.json")
    assert "1 template" in tocsin("whatsapp", "templates", "sync")
    listed = json.loads(tocsin("whatsapp", "templates", "list", "main", "--json"))
    assert [(each["name"], each["status"]) for each in listed] == [("hello_world", "APPROVED")]

    # Nothing receives webhooks here: Meta takes the message, and its status does not come.
    said = tocsin("whatsapp", "test", "--to", "+33612345678", "--seconds", "1", code=3)
    assert "sent" in said and "tocsin serve" in said

    # What cannot go is said at once, not after a wait.
    tocsin("whatsapp", "test", "--to", "+33612345678", "--text", "Hello", code=2)

    number = json.loads(tocsin("whatsapp", "number", "show", "--json"))
    assert (number["quality"], number["status"]) == ("GREEN", "CONNECTED")
    assert "250" in tocsin("whatsapp", "number", "limits")
    tocsin("whatsapp", "profile", "set", "--about", "Security of Larkwave")
    assert "Security of Larkwave" in tocsin("whatsapp", "profile", "show")
    assert "131047" in tocsin("whatsapp", "block", "add", "+33612345679", code=3)
    assert "messaging.account_changed" in _verbs(tocsin)
    assert "customers.addresses_revealed" not in _verbs(tocsin)
    tocsin("whatsapp", "block", "list", "--reveal")
    assert "customers.addresses_revealed" in _verbs(tocsin)
    assert [point["sent"] for point in json.loads(tocsin("whatsapp", "analytics", "messages", "--json"))] == [1]
    tocsin("whatsapp", "analytics", "allow")
    assert "en_US" in tocsin("whatsapp", "analytics", "template", "hello_world")

    assert app in tocsin.connect("--replace", "--public-url", "https://tocsin.example.org")
    assert "messaging.account_changed" in _verbs(tocsin)


def test_a_test_message_waits_for_no_template_that_is_not_approved(tocsin, tmp_path, capsys):
    tocsin.connect()
    (tmp_path / "notice.json").write_text(json.dumps({**NOTICE, "name": "only_with_variables"}))
    tocsin("whatsapp", "templates", "create", tmp_path / "notice.json")
    for name in ("hello_world", "archived"):
        run(["whatsapp", "templates", "delete", name, "--yes"])
    capsys.readouterr()
    assert run(["whatsapp", "test", "main", "--to", "+33612345678"]) == 2
    assert "No template without variables is approved." in capsys.readouterr().err


def test_a_test_message_is_not_queued_with_a_template_that_is_not_there(tocsin, tmp_path, capsys):
    tocsin.connect()
    (tmp_path / "hello.json").write_text(json.dumps({**HELLO, "name": "hello_there"}))
    tocsin("whatsapp", "templates", "create", tmp_path / "hello.json")
    for template, said in (
        ("helo_there", "There is no template helo_there."),
        ("hello_there/fr", "hello_there is not approved in fr; there is: en_US APPROVED."),
    ):
        assert run(["whatsapp", "test", "main", "--to", "+33612345678", "--template", template]) == 2
        assert said in capsys.readouterr().err
    said = tocsin(
        "whatsapp", "test", "main", "--to", "+33612345678", "--template", "hello_there", "--seconds", "1", code=3
    )
    assert "sent" in said
    assert tocsin("message", "list").count("+33") == 1


def test_what_cannot_be_connected_is_said_before_anything_is_asked_or_kept(tocsin, tmp_path, capsys, monkeypatch):
    def refused(*more):
        capsys.readouterr()
        tocsin.connect(*more, code=2)

    def said(*arguments):
        capsys.readouterr()
        assert run([str(each) for each in arguments]) == 2
        return capsys.readouterr().err

    refused("--public-url", "tocsin.example.org")
    assert tocsin("channel", "list").count("whatsapp") == 0
    connect = ["whatsapp", "connect", "other", "--phone-number-id", "12", "--waba-id", "34"]
    assert "--secret tokn: There is no such secret." in said(*connect, "--secret", f"tokn=@{tmp_path / 'token'}")
    with monkeypatch.context() as nobody:
        nobody.setattr("sys.stdin", io.StringIO(""))
        assert "nobody is there to answer it" in said("whatsapp", "connect", "other")
    tocsin.connect()
    assert "connected already" in said("whatsapp", "connect", "main")


def test_a_message_is_not_queued_when_it_could_never_be_sent(tocsin, capsys):
    tocsin.connect()
    sending = ["message", "send", "--channel", "main", "--to", "+33612345678", "--text", "Hello"]
    for wrong in (
        ["--expires", "2020-01-01T00:00Z"],
        ["--expires", "2100-01-01T00:00Z", "--not-before", "2100-01-02T00:00Z"],
    ):
        assert run([*sending, *wrong]) == 2
        assert "nothing would be sent" in capsys.readouterr().err
    assert json.loads(tocsin("message", "list", "--json")) == []


def test_whoever_queues_while_nothing_is_sent_is_told_so(tocsin):
    tocsin.connect()
    sending = ["message", "send", "--channel", "main", "--to", "+33612345678", "--text", "Hello"]
    for paused in ([], ["main"]):
        tocsin("outbox", "pause", *paused, "--reason", "a drill", "--as", "mona")
        for more in ([], ["--wait", "--seconds", "1"]):
            said = tocsin(*sending, *more)
            assert "main sends nothing at present: `tocsin outbox status` says why." in said
            assert "Nobody sends" not in said
        tocsin("outbox", "resume", *paused, "--as", "mona")
    assert "sends nothing" not in tocsin(*sending)
    assert "Nobody sends at present: run `tocsin serve`" in tocsin(*sending, "--wait", "--seconds", "1")


def test_a_message_is_not_queued_with_a_template_that_is_not_approved(tocsin, tmp_path, capsys):
    tocsin.connect()
    (tmp_path / "notice.json").write_text(json.dumps(NOTICE))
    tocsin("whatsapp", "templates", "create", tmp_path / "notice.json")
    tocsin("whatsapp", "templates", "archive", NOTICE["name"], "--language", NOTICE["language"])
    tocsin("whatsapp", "templates", "sync")
    sending = ["message", "send", "--channel", "main", "--to", "+33612345678", "--template", NOTICE["name"]]
    assert run([*sending, "--language", NOTICE["language"], "--param", "1=x"]) == 2
    said = capsys.readouterr().err
    assert "not approved: en_US ARCHIVED." in said
    assert "tocsin whatsapp templates sync" in said


def test_a_template_is_archived_taken_out_and_deleted(tocsin, tmp_path):
    tocsin.connect()
    for language in ("en-US", "fr"):
        (tmp_path / "notice.json").write_text(json.dumps({**NOTICE, "language": language, "name": "archived"}))
        tocsin("whatsapp", "templates", "create", tmp_path / "notice.json")

    def statuses():
        found = json.loads(tocsin("whatsapp", "templates", "list", "--json"))
        return {each["language"]: each["status"] for each in found if each["name"] == "archived"}

    tocsin("whatsapp", "templates", "archive", "archived", "--language", "fr")
    assert statuses() == {"en_US": "APPROVED", "fr": "ARCHIVED"}
    tocsin("whatsapp", "templates", "unarchive", "archived", "--language", "fr")
    assert statuses() == {"en_US": "APPROVED", "fr": "APPROVED"}
    tocsin("whatsapp", "templates", "delete", "archived", "--yes")
    assert set(statuses().values()) <= {"DELETED"}


def test_a_new_token_is_given_alone_and_a_wrong_one_changes_nothing(tocsin, tmp_path):
    tocsin.connect()
    (tmp_path / "other").write_text("another\n")
    wrong = ("whatsapp", "connect", "main", "--secret", f"token=@{tmp_path / 'other'}", "--replace")
    assert "Not connected" in tocsin(*wrong, code=3)
    tocsin("whatsapp", "number", "show")
    tocsin("whatsapp", "connect", "main", "--secret", f"token=@{tmp_path / 'token'}", "--replace")
    assert tocsin("whatsapp", "webhook", "list").count("whatsapp") == 1


def test_secrets_whose_key_is_lost_are_given_again(tocsin, tmp_path):
    tocsin.connect()
    (home_path() / "keys" / "secrets").unlink()
    tocsin("whatsapp", "number", "show", code=2)
    tocsin("keys", "rotate", "--lost")
    given = [f"--secret={name}=@{tmp_path / file}" for name, file in (("token", "token"), ("app_secret", "app"))]
    tocsin("whatsapp", "connect", "main", *given, "--replace")
    tocsin("whatsapp", "number", "show")


def test_a_file_is_uploaded_once(tocsin, tmp_path):
    tocsin.connect()
    file = tmp_path / "what-to-do.pdf"
    file.write_bytes(b"%PDF-1.7 what to do")
    first = tocsin("whatsapp", "media", "upload", file).split()[0]
    assert tocsin("whatsapp", "media", "upload", file).split()[0] == first
    assert tocsin("whatsapp", "media", "upload", file, "--again").split()[0] != first
    assert "what-to-do.pdf" in tocsin("whatsapp", "media", "list")
    tocsin("whatsapp", "media", "fetch", first, "--out", tmp_path / "back.pdf")
    assert (tmp_path / "back.pdf").read_bytes() == file.read_bytes()
    second = tocsin("whatsapp", "media", "upload", file).split()[0]
    tocsin("whatsapp", "media", "delete", second)
    assert tocsin("whatsapp", "media", "upload", file).split()[0] != second


def test_what_a_person_wrote_is_shown_as_read_and_that_somebody_writes(tocsin, peer, capsys):
    tocsin.connect()
    wrote = asked(peer, "say", {"from": "+33612345678", "text": "Was it me?"})["id"]
    heard(peer, wrote, sender="33612345678")
    assert "typing" in tocsin("whatsapp", "read", "--address", "+33 6 12 34 56 78", "--typing")
    kept = asked(peer, "messages?inbound=1")["messages"]
    assert [[status["status"] for status in each["statuses"]] for each in kept] == [["read"]]
    [phone] = asked(peer, "threads?q=33612345678")["phones"]
    assert phone["typing"] > 0
    with database.opened():
        message = queries.heard(channel="main", address="+33612345678")
    tocsin("whatsapp", "read", message.id)
    entries = [line for line in _verbs(tocsin).splitlines() if "message read" in line]
    assert len(entries) == 2
    assert "33612345678" not in "".join(entries)
    assert run(["whatsapp", "read", "--address", "+33612345679"]) == 2
    assert "No such message came in on main." in capsys.readouterr().err


def test_what_became_of_a_message_is_asked_for_where_no_webhook_came(tocsin, tmp_path, capsys):
    tocsin.connect()
    (tmp_path / "hello.json").write_text(json.dumps({**HELLO, "name": "hello_again"}))
    tocsin("whatsapp", "templates", "create", tmp_path / "hello.json")
    sending = ("whatsapp", "test", "--template", "hello_again/en_US", "--seconds", "1")
    said = tocsin(*sending, "--to", "+33612345671", code=3)
    message = re.search(r"Message ([0-9a-f-]{36}): sent", said)[1]
    assert re.search(r"Before: sent. Now: (delivered|read).", tocsin("whatsapp", "refresh", message))
    again = tocsin("whatsapp", "refresh", message)
    assert again.split("Now: ")[1].strip(". \n") in again.split("Now: ")[0]  # asked twice, nothing changes
    with database.opened():
        told = [each.status.value for each in queries.trace(UUID(message)).statuses]
    assert told[:2] == ["sent", "delivered"] and len(told) == len(set(told))
    assert "statuses asked for" in _verbs(tocsin)


def asked(peer, path, body=None):
    request = Request(f"{peer.address}/_simulator/{path}", data=json.dumps(body).encode() if body else None)
    with urlopen(request, timeout=60) as answer:
        return json.load(answer)


def heard(peer, wamid, *, sender):
    """Take in the webhook of a message, as receiver and worker do."""
    now = clock.now()
    message = {
        "from": sender,
        "id": wamid,
        "timestamp": str(int(now.timestamp())),
        "type": "text",
        "text": {"body": "?"},
    }
    value = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": peer.line}, "messages": [message]}
    change = {"id": peer.account, "changes": [{"field": "messages", "value": value}]}
    body = json.dumps({"object": "whatsapp_business_account", "entry": [change]}).encode()
    with database.opened():
        [app] = queries.apps()
        commands.store_intake([IntakeBody(app.id, now, body)])
        assert commands.take_intake(lambda _kind, raw, headers: RECEIVING.updates(raw, headers=headers)) == 1


def test_what_is_wrong_is_said_with_its_place_and_nothing_is_kept(tocsin, tmp_path, capsys):
    (tmp_path / "token").write_text("another\n")
    assert "x " in tocsin.connect(code=3)
    assert "Not connected" in tocsin.connect(code=3)
    assert tocsin("channel", "list").count("whatsapp") == 0
    (tmp_path / "bad.yml").write_text("name: Bad Name\nlanguage: en_US\ncategory: utility\ncomponents: []\n")
    tocsin("whatsapp", "templates", "create", tmp_path / "bad.yml", code=2)


def test_a_template_file_with_a_mistake_is_refused_with_file_and_place(tocsin, tmp_path, capsys):
    tocsin.connect()
    (tmp_path / "bad.yml").write_text("name: Bad Name\nlanguage: en_US\ncategory: utility\ncomponents: []\n")
    assert run(["whatsapp", "templates", "create", str(tmp_path / "bad.yml")]) == 2
    assert "bad.yml: name" in capsys.readouterr().err


def _verbs(tocsin):
    return tocsin("journal", "export")
