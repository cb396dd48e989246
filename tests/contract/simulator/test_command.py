"""The command: it says where it listens, works, and stops when told."""

import json
import signal
import socket
import subprocess
import sys
from urllib.request import urlopen

import pytest
from click.testing import CliRunner

from tocsin_simulator.program import main

TEMPLATE = {
    "name": "notice",
    "language": "en",
    "category": "UTILITY",
    "components": [{"type": "BODY", "text": "Look."}],
}


def test_it_listens_on_a_free_port_and_stops_when_told(tmp_path):
    plan = tmp_path / "faults.json"
    plan.write_text('{"rules": [{"kind": "drop_after_accept", "share": 0.01}]}', encoding="utf-8")
    templates = tmp_path / "templates.json"
    templates.write_text(json.dumps([TEMPLATE]), encoding="utf-8")
    command = [sys.executable, "-m", "tocsin_simulator", "whatsapp", "--port", "0", "--phone-id", "11", "--phone-id", "12",
               "--people", "5", "--faults", str(plan), "--seed", "3", "--templates", str(templates)]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        assert line.startswith("Listening on http://127.0.0.1:")
        with urlopen(f"{line.split()[-1]}/_simulator/state", timeout=60) as answer:
            state = json.load(answer)
        assert [number["id"] for number in state["numbers"]] == ["11", "12"]
        assert len(state["people"]) == 5
        assert state["faults"][0]["kind"] == "drop_after_accept"
        assert [(each["name"], each["status"]) for each in state["templates"]] == [("notice", "APPROVED")]
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_every_account_can_send_hello_world_from_the_start():
    command = [sys.executable, "-m", "tocsin_simulator", "whatsapp", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        place = process.stdout.readline().split()[-1]
        with urlopen(f"{place}/_simulator/state", timeout=60) as answer:
            (template,) = json.load(answer)["templates"]
        process.send_signal(signal.SIGTERM)
    assert (template["name"], template["language"], template["status"]) == ("hello_world", "en_US", "APPROVED")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("faults", "{no", "faults: Expecting property name"),
        ("faults", '{"rules": [{"kind": "explode"}]}', "rules[0].kind: 'explode' is unknown"),
        ("people", "{}", "the file of people must hold a list of objects"),
        ("people", '[{"phone": "+336", "colour": 1}]', "people[0]: unknown key colour"),
        ("people", "[", "people is not JSON: Expecting value"),
        ("people", '[{"phone": "0600000001"}]', "people[0]: phone must be digits with a plus sign and the country"),
        ("templates", "{}", "the file of templates must hold a list of objects"),
        ("templates", '[{"name": "No!"}]', "templates[0]: "),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_with_its_place(tmp_path, name, content, said):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    result = CliRunner().invoke(main, ["whatsapp", "--port", "0", f"--{name}", str(path)])
    assert result.exit_code == 2
    assert said in result.output
    assert "Traceback" not in result.output


def test_a_webhook_that_does_not_answer_its_challenge_is_refused_at_the_start():
    result = CliRunner().invoke(main, ["whatsapp", "--port", "0", "--webhook", "http://127.0.0.1:9/", "--verify"])
    assert (result.exit_code, "Callback verification failed" in result.output) == (2, True)


@pytest.mark.parametrize("webhook", ["localhost:8000", "ftp://127.0.0.1/", "http://", "http://127.0.0.1:99999/"])
def test_a_webhook_that_is_no_address_is_refused_at_the_start(webhook):
    result = CliRunner().invoke(main, ["whatsapp", "--port", "0", "--webhook", webhook])
    assert (result.exit_code, f"{webhook} is no address" in result.output) == (2, True)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["whatsapp", "--port", "TAKEN"], "cannot listen on 127.0.0.1:TAKEN: Address already in use; --port 0"),
        (["smtp", "--port", "TAKEN"], "cannot listen on 127.0.0.1:TAKEN: Address already in use; --port 0"),
        (["smtp", "--port", "0", "--http-port", "TAKEN"], "127.0.0.1:TAKEN: Address already in use; --http-port 0"),
        (["whatsapp", "--port", "0", "--people", "nobody.json"], "nobody.json: No such file or directory; --people is"),
        (["whatsapp", "--port", "0", "--people", "-3"], "-3: No such file or directory; --people is a number"),
        (["whatsapp", "--port", "0", "--ledger", "/nowhere/at/all"], "/nowhere/at/all cannot be kept: No such file"),
        (["smtp", "--port", "99999"], "99999 is not in the range"),
        (["smtp", "--http-port", "-1"], "-1 is not in the range"),
        (["smtp", "--port", "0", "--bounces-to", "localhost:99999"], "an address is HOST:PORT"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(given, said):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(main, [port if each == "TAKEN" else each for each in given])
    assert result.exit_code == 2
    assert said.replace("TAKEN", port) in result.output
    assert "Errno" not in result.output


def test_help_says_with_which_ids_and_token_it_starts():
    said = "".join(CliRunner().invoke(main, ["whatsapp", "--help"]).output.split())
    for default in ("100000000000001", "200000000000001", "simulated-token", "simulated-secret"):
        assert f"[default:{default}]" in said


def test_help_is_quick_because_nothing_heavy_is_imported():
    said = subprocess.run(
        [sys.executable, "-c", "import sys; import tocsin_simulator.program; print('aiohttp' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == "False"
