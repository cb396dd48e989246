"""The configuration of the how-to, taken from the page and run by a real nginx before a real sidecar."""

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.contract.gate.conftest import eventually
from tests.contract.gate.test_sidecar import Sidecar
from tests.ports import free_port
from tests.unit.gate.conftest import OLD_ANDROID, REAUTHENTICATE, SUSPEND, T0, Writer, combination

PAGE = Path(__file__).resolve().parents[3] / "docs" / "howto" / "put-the-gate-in-front.md"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="no nginx is here (Debian: nginx-light)")

# Opaque session tokens and whose they are: the application knows, nginx and the gate do not look inside.
SESSIONS = {
    "stolen": ("ann", T0 - 3600),
    "anns-new": ("ann", T0 + 60),
    "neighbour": ("bob", T0 - 3600),
    "attacker": ("eve", T0 + 60),
    "old-app": ("old", T0 + 60),
}
ANDROID_OLD = "ExampleMusic/8.10.2 (Linux; Android 4.4)"
ANDROID_NEW = "ExampleMusic/8.11 (Linux; Android 4.4)"
IPHONE = "ExampleMusic/1.0 (iPhone; iOS 7)"


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


class Application(BaseHTTPRequestHandler):
    """The protected product."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self):
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size)
        if self.path != "/session":
            seen = {name: value for name, value in self.headers.items() if name.lower().startswith("x-tocsin")}
            body = json.dumps({"path": self.path, "body": body.decode(), "seen": seen}).encode()
            self.send_response(403 if self.path == "/forbidden" else 200)
        elif session := SESSIONS.get((self.headers.get("Authorization") or "").removeprefix("Bearer ")):
            body = b""
            self.send_response(204)
            self.send_header("X-Account", session[0])
            self.send_header("X-Signed-In-At", str(session[1]))
        else:
            body = b""
            self.send_response(401)
        if body or self.path != "/session":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer  # noqa: N815 (the names http.server calls)


class Proxy:
    """A running nginx with the page's configuration, on ports of its own."""

    def __init__(self, folder, *, application, gate, opened=False):
        config = blocks("nginx")[0]
        if opened:
            asked = re.compile(r"    location = /_gate \{.*?\n    \}\n", re.DOTALL)
            config, replaced = asked.subn(lambda _: blocks("nginx")[1], config)
            assert replaced == 1
        self.port = free_port()
        for stated, actual in ((8080, self.port), (8081, free_port()), (8000, application), (8411, gate)):
            assert f"127.0.0.1:{stated}" in config
            config = config.replace(f"127.0.0.1:{stated}", f"127.0.0.1:{actual}@")
        places = "\n".join(
            f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (folder / "nginx.conf").write_text(
            f"""daemon off;
            {"user root;" if os.getuid() == 0 else ""}
            pid {folder}/nginx.pid;
            error_log {folder}/error.log;
            events {{ worker_connections 256; }}
            http {{ access_log off; {places}\n{restore(config)} }}"""
        )
        command = [NGINX, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        eventually(self.listens)

    def listens(self):
        assert self.process.poll() is None, self.process.stderr.read()
        with socket.socket() as plug:
            return plug.connect_ex(("127.0.0.1", self.port)) == 0

    def ask(self, token=None, *, path="/songs", agent=IPHONE, method="GET", body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        given = {"User-Agent": agent, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if token:
            given["Authorization"] = f"Bearer {token}"
        connection.request(method, path, body=body, headers=given)
        answer = connection.getresponse()
        told = answer.read()
        connection.close()
        return answer.status, answer.headers, told

    def stop(self):
        self.process.terminate()
        self.process.communicate(timeout=60)


def restore(config):
    """Take away the marks that kept one replaced port from being replaced again."""
    return re.sub(r"(127\.0\.0\.1:\d+)@", r"\1", config)


@pytest.fixture(scope="module")
def application():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Application)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory):
    writer = Writer(tmp_path_factory.mktemp("list"))
    combinations = [REAUTHENTICATE, SUSPEND, combination(("update_client", None, 0), reference="R-4")]
    path = writer.write({"ann": 1, "eve": 2, "old": 3}, combinations=combinations, rules=[OLD_ANDROID])
    running = Sidecar([path, "--trust", writer.trust_file(), "--listen", "127.0.0.1:0"])
    yield running
    running.stop()


@pytest.fixture(scope="module")
def proxy(tmp_path_factory, application, sidecar):
    running = Proxy(tmp_path_factory.mktemp("nginx"), application=application, gate=sidecar.where.rsplit(":")[-1])
    yield running
    running.stop()


def test_the_intruders_token_is_refused(proxy):
    status, headers, body = proxy.ask("stolen")
    assert (status, headers["Content-Type"]) == (403, "application/problem+json")
    assert headers["X-Tocsin-Action"] == "reauthenticate"
    assert json.loads(body) == {
        "type": "urn:tocsin:gate:reauthentication_required",
        "title": "Sign in again to go on.",
        "status": 403,
        "code": "reauthentication_required",
        "text_key": "gate.reauthentication_required",
        "measures": ["reauthenticate"],
        "reference": "R-1",
    }


def test_a_neighbour_passes_with_a_token_as_old(proxy):
    status, _, body = proxy.ask("neighbour")
    assert (status, json.loads(body)["path"]) == (200, "/songs")


def test_the_rightful_owner_passes_after_signing_in_again(proxy):
    assert proxy.ask("anns-new")[0] == 200
    assert proxy.ask("stolen")[0] == 403


def test_an_account_of_the_attacker_stays_suspended(proxy):
    status, _, body = proxy.ask("attacker")
    assert (status, json.loads(body)["code"]) == (403, "suspended")


def test_old_android_is_told_to_update_and_nobody_else(proxy):
    status, headers, body = proxy.ask("old-app", agent=ANDROID_OLD)
    assert (status, headers["X-Tocsin-Action"]) == (403, "update-client")
    assert (json.loads(body)["code"], json.loads(body)["version_min"]) == ("client_too_old", "8.11")
    for agent in (ANDROID_NEW, IPHONE, "Mozilla/5.0 (Windows NT 6.1)"):
        assert proxy.ask("old-app", agent=agent)[0] == 200
    assert proxy.ask("neighbour", agent=ANDROID_OLD)[0] == 200


def test_sensitive_paths_are_refused_for_all_while_the_list_is_old(proxy):
    status, _, body = proxy.ask("neighbour", path="/payout")
    assert (status, json.loads(body)["code"]) == (403, "list_too_old")


def test_what_a_client_says_in_our_headers_is_overwritten(proxy):
    forged = {"X_Tocsin_Account": "bob", "X_Tocsin_Token_Issued_At": "9999999999"}
    assert proxy.ask("stolen", **forged)[0] == 403
    status, _, body = proxy.ask("neighbour", X_Tocsin_Account="eve", X_Tocsin_Client="x")
    assert status == 200
    assert json.loads(body)["seen"]["X-Tocsin-Account"] == "bob"


def test_without_a_session_the_application_answers_as_before(proxy):
    assert proxy.ask()[0] == 401
    assert proxy.ask("nonsense")[0] == 401


def test_the_way_to_a_new_session_stays_open(proxy):
    assert proxy.ask("stolen", path="/log-in")[0] == 200


def test_bodies_reach_the_application_and_its_own_refusals_the_client(proxy):
    status, _, body = proxy.ask("neighbour", method="POST", body=b"a song")
    assert (status, json.loads(body)["body"]) == (200, "a song")
    status, headers, body = proxy.ask("neighbour", path="/forbidden")
    assert (status, headers["X-Tocsin-Action"], json.loads(body)["path"]) == (403, None, "/forbidden")


def test_a_sidecar_that_does_not_answer_closes_the_product_unless_it_was_told_to_stay_open(tmp_path, application):
    nobody = free_port()
    for opened, status in ((False, 500), (True, 200)):
        folder = tmp_path / str(opened)
        folder.mkdir()
        running = Proxy(folder, application=application, gate=nobody, opened=opened)
        try:
            assert running.ask("stolen")[0] == status
        finally:
            running.stop()
