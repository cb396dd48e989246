"""The doors of Python applications, each asked what the others are asked."""

import asyncio
import json
import subprocess
import sys
from http import HTTPStatus
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
from tests.unit.gate.conftest import OLD_ANDROID, RESET, SUSPEND, T0, combination

from tocsin_gate import Asked, Gate, HeaderReader
from tocsin_gate.asgi import GateASGI, from_headers as asgi_from_headers
from tocsin_gate.wsgi import GateWSGI, from_headers as wsgi_from_headers

OLD = combination(("update_client", None, 0), reference="R-4")
ACCOUNTS = {"ann": 1, "Zoé": 2, "old": 3, "voilà": 2, "Å": 2}


@pytest.fixture
def gate(writer, clock):
    path = writer.write(ACCOUNTS, combinations=[RESET, SUSPEND, OLD], rules=[OLD_ANDROID], made_at=int(clock() * 1000))
    made = Gate(path, trust=writer.trust(), clock=clock)
    yield made
    made.close()


def ask_wsgi(gate, headers, *, path="/", method="GET", **given):
    reader = given.pop("reader", None)
    door = GateWSGI(
        lambda environ, start: start("200 OK", [("Content-Type", "text/plain")]) and [b"in"],
        gate=gate,
        reader=wsgi_from_headers(reader) if reader else None,
        **given,
    )
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "SCRIPT_NAME": "", "QUERY_STRING": ""}
    setup_testing_defaults(environ)
    for name, value in headers:
        environ["HTTP_" + name.upper().replace("-", "_")] = value.encode().decode("latin-1")
    started = []
    answered = validator(door)(
        environ, lambda status, head, exc=None: started.append((status, head)) or (lambda _: None)
    )
    body = b"".join(answered)
    answered.close()
    status, head = started[0]
    return int(status.split()[0]), dict(head), body


def ask_asgi(gate, headers, *, path="/", method="GET", **given):
    reader = given.pop("reader", None)

    async def application(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"in"})

    door = GateASGI(application, gate=gate, reader=asgi_from_headers(reader) if reader else None, **given)
    scope = {
        "type": "http", "method": method, "path": path,
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
    }  # fmt: skip
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(door(scope, None, send))
    head = {name.decode().title(): value.decode("latin-1") for name, value in sent[0]["headers"]}
    return sent[0]["status"], head, sent[1]["body"]


ask = pytest.mark.parametrize("ask", [ask_wsgi, ask_asgi])


@ask
def test_the_intruders_token_is_refused_with_what_the_client_shows(ask, gate):
    status, head, body = ask(gate, [("X-Tocsin-Account", "ann"), ("X-Tocsin-Token-Issued-At", str(T0 - 60))])
    assert status == 403
    assert head["Content-Type"] == "application/problem+json"
    assert head["X-Tocsin-Action"] == "reset-password"
    assert int(head["Content-Length"]) == len(body)
    assert "Retry-After" not in head
    told = json.loads(body)
    assert json.loads(head["X-Tocsin-Problem"]) == told
    assert told == {
        "type": "urn:tocsin:gate:password_reset_required",
        "title": "Choose a new password to go on.",
        "status": 403,
        "code": "password_reset_required",
        "text_key": "gate.password_reset_required",
        "measures": ["reset_password", "revoke_sessions"],
        "reference": "R-2",
    }


@ask
def test_a_neighbour_and_nobody_pass(ask, gate):
    assert ask(gate, [("X-Tocsin-Account", "bob")])[::2] == (200, b"in")
    assert ask(gate, [])[::2] == (200, b"in")


@ask
def test_account_names_are_utf_8_on_the_wire(ask, gate):
    for name in ("Zoé", "voilà", "Å", " voilà\t"):
        assert ask(gate, [("X-Tocsin-Account", name)])[0] == 403, name


@ask
def test_a_time_is_read_as_seconds_or_iso_8601_and_garbage_is_unknown(ask, gate):
    def reset_at(text):
        changed = ("X-Tocsin-Password-Changed-At", text)
        return ask(gate, [("X-Tocsin-Account", "ann"), ("X-Tocsin-Token-Issued-At", text), changed])[0]

    assert reset_at(f"{T0 + 5}") == 200
    assert reset_at(f"{T0 + 5}.25") == 200
    assert reset_at("2014-05-27T12:30:00+02:00") == 200
    assert reset_at("2014-05-27T11:30:00+02:00") == 403
    for garbage in ("2014-05-28T00:00:00", "soon", "", "inf", "nan", f"{T0}000"):
        assert reset_at(garbage) == 403, garbage


@ask
def test_an_old_client_is_told_the_version_it_needs(ask, gate):
    headers = [("X-Tocsin-Account", "old"), ("X-Tocsin-Platform", "Android"), ("X-Tocsin-Client-Version", "8.10")]
    status, head, body = ask(gate, headers)
    assert (status, head["X-Tocsin-Version-Min"], json.loads(body)["version_min"]) == (403, "8.11", "8.11")
    status, head, body = ask(gate, headers, too_old_status=HTTPStatus.UPGRADE_REQUIRED)
    assert (status, json.loads(body)["status"]) == (426, 426)
    suspended = ask(gate, [("X-Tocsin-Account", "Zoé")], too_old_status=HTTPStatus.UPGRADE_REQUIRED)
    assert suspended[0] == 403


@ask
def test_the_answer_to_head_has_no_body(ask, gate):
    status, head, body = ask(gate, [("X-Tocsin-Account", "ann")], method="HEAD")
    assert (status, body) == (403, b"")
    assert int(head["Content-Length"]) > 0


@ask
def test_sensitive_is_declared_by_header_or_by_path(ask, gate, clock):
    clock.now += 5000
    reader = HeaderReader(sensitive_paths=("/payout",))
    assert ask(gate, [("X-Tocsin-Account", "bob")], reader=reader)[0] == 200
    assert ask(gate, [("X-Tocsin-Account", "bob"), ("X-Tocsin-Sensitive", "0")], reader=reader)[0] == 200
    for headers, path in (([("X-Tocsin-Sensitive", "1")], "/"), ([], "/payout"), ([], "/payout/9")):
        status, head, _ = ask(gate, [("X-Tocsin-Account", "bob"), *headers], reader=reader, path=path)
        assert (status, head["X-Tocsin-Code"]) == (403, "list_too_old")
    assert ask(gate, [], reader=reader, path="/payouts")[0] == 200


@ask
def test_the_way_to_a_new_password_stays_open(ask, gate):
    reader = HeaderReader(open_paths=("/log-in", "/static/"))
    for path, status in (
        ("/log-in", 200),
        ("/log-in/new", 200),
        ("/static/app.js", 200),
        ("/log-inside", 403),
        ("/log-in/../payouts", 403),
        ("/", 403),
    ):
        assert ask(gate, [("X-Tocsin-Account", "ann")], reader=reader, path=path)[0] == status, path


def test_an_account_named_twice_is_refused(gate):
    status, _, body = ask_asgi(gate, [("X-Tocsin-Account", "bob"), ("X-Tocsin-Account", "ann")])
    assert (status, json.loads(body)["code"]) == (403, "request_unclear")


def test_a_reader_of_ones_own_takes_the_request_apart(gate):
    door = GateWSGI(
        lambda environ, start: [b"in"], gate=gate, reader=lambda environ: Asked(account=environ["REMOTE_USER"])
    )
    started = []
    door({"REMOTE_USER": "ann", "REQUEST_METHOD": "GET"}, lambda status, head: started.append(status))
    assert started == ["403 Forbidden"]
    assert door({"REMOTE_USER": "bob", "REQUEST_METHOD": "GET"}, None) == [b"in"]


def test_a_websocket_is_refused_before_it_is_accepted(gate):
    sent = []

    async def application(scope, receive, send):
        await send({"type": "websocket.accept"})

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    def connect(account):
        sent.clear()
        headers = [(b"x-tocsin-account", account)]
        asyncio.run(GateASGI(application, gate=gate)({"type": "websocket", "headers": headers}, receive, send))
        return sent[0]["type"]

    assert connect(b"ann") == "websocket.close"
    assert connect(b"bob") == "websocket.accept"


def test_the_lifespan_of_an_application_is_none_of_the_gates_business(gate):
    seen = []

    async def application(scope, receive, send):
        seen.append(scope["type"])

    asyncio.run(GateASGI(application, gate=gate)({"type": "lifespan"}, None, None))
    assert seen == ["lifespan"]


def test_a_door_starts_the_watch_at_its_first_request(gate):
    assert gate._watcher is None
    ask_wsgi(gate, [], watch_seconds=60)
    first = gate._watcher
    ask_wsgi(gate, [], watch_seconds=60)
    assert first.is_alive()
    assert gate._watcher is first


# Django, in a process of its own: these tests have Django set up for Tocsin already.

DJANGO = """
import json, sys
import tocsin_gate.django as door
assert not any(name.split(".")[0] == "django" for name in sys.modules), "imported too early"
import django
from django.conf import settings
snapshot, trust = sys.argv[1:3]
settings.configure(
    SECRET_KEY="x", ROOT_URLCONF="__main__", ALLOWED_HOSTS=["*"], SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    MIGRATION_MODULES=dict.fromkeys(["auth", "contenttypes", "sessions"]), # their tables at once, without their history
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware", "django.contrib.auth.middleware.AuthenticationMiddleware",
                "tocsin_gate.django.GateMiddleware"],
    TOCSIN_GATE={"snapshot": snapshot, "trust": trust, "open_paths": ["/log-in"], "watch_seconds": 60},
)
django.setup()
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.core.management import call_command
from django.http import HttpResponse
from django.test import Client
from django.urls import path
urlpatterns = [path("", lambda request: HttpResponse("in")), path("log-in", lambda request: HttpResponse("form"))]
call_command("migrate", run_syncdb=True, verbosity=0)
user_logged_in.connect(door.remember_sign_in)
ann = User.objects.create_user(username="ann", pk=7)
bob = User.objects.create_user(username="bob", pk=8)
answers = {}
def visit(name, client, path="/", **headers):
    answer = client.get(path, headers=headers)
    answers[name] = [answer.status_code, answer.headers.get("X-Tocsin-Code"), answer.headers["Content-Type"]]
visit("nobody", Client())
intruder = Client(); intruder.force_login(ann)
session = intruder.session; session[door.SIGNED_IN_AT] = 1000; session.save()
intruder.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
visit("intruder", intruder)
visit("form", intruder, "/log-in")
again = Client(); again.force_login(ann)
visit("again", again)
visit("intruder still", intruder)
neighbour = Client(); neighbour.force_login(bob)
visit("neighbour", neighbour)
visit("old app", neighbour, **{"x-client-platform": "android", "x-client-version": "8.10"})
print(json.dumps(answers))
"""


def test_a_django_project_refuses_the_intruders_session_and_not_the_owners_new_one(writer):
    demands = combination(("reauthenticate", T0, None))
    writer.write({"7": 1}, combinations=[demands], rules=[{**OLD_ANDROID, "everyone": True}])
    command = [sys.executable, "-W", "ignore", "-c", DJANGO, str(writer.path), str(writer.trust_file())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    problem = "application/problem+json"
    assert answers["intruder"] == [403, "reauthentication_required", problem]
    assert answers["intruder still"] == [403, "reauthentication_required", problem]
    assert answers["old app"] == [403, "client_too_old", problem]
    assert {name: answers[name][0] for name in ("nobody", "form", "again", "neighbour")} == dict.fromkeys(
        ("nobody", "form", "again", "neighbour"), 200
    )
