"""The command ``tocsin-gate``, as people and scripts run it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.gate.conftest import OLD_ANDROID, RESET, SUSPEND, T0, combination

from tocsin_gate.command import main

ROOT = Path(__file__).resolve().parents[3]
GIVEN = {"combinations": [RESET, SUSPEND, combination(("update_client", None, 0))], "rules": [OLD_ANDROID]}


@pytest.fixture
def given(writer):
    return [str(writer.write({"ann": 1, "eve": 2, "old": 3, "bob": 1}, **GIVEN)), "--trust", str(writer.trust_file())]


def test_check_refuses_with_the_measures_as_json_and_exit_code_20(given, capsys):
    assert main(["check", *given, "--account", "ann", "--token-issued-at", str(T0 - 60)]) == 20
    told = json.loads(capsys.readouterr().out)
    assert (told["allow"], told["measures"]) == (False, ["reset_password", "revoke_sessions"])
    assert (told["code"], told["text_key"], told["reference"]) == (
        "password_reset_required", "gate.password_reset_required", "R-2",
    )  # fmt: skip


def test_check_allows_with_exit_code_0(given, capsys):
    assert main(["check", *given, "--account", "zoe"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "allow": True, "measures": [], "code": "allowed", "text_key": "gate.allowed", "version_min": None, "reference": None,
    }  # fmt: skip
    after = "2014-05-27T12:01:00+02:00"
    assert main(["check", *given, "--account", "ann", "--token-issued-at", after, "--password-changed-at", after]) == 0


def test_check_tells_old_android_to_update(given, capsys):
    assert main(["check", *given, "--account", "old", "--platform", "android", "--client-version", "8.10"]) == 20
    assert json.loads(capsys.readouterr().out)["version_min"] == "8.11"
    assert main(["check", *given, "--account", "old", "--platform", "ios", "--client-version", "1"]) == 0


def test_check_of_a_sensitive_act_needs_a_fresh_list(given, capsys):
    assert main(["check", *given, "--account", "zoe", "--sensitive"]) == 20
    assert json.loads(capsys.readouterr().out)["code"] == "list_too_old"


def test_a_time_that_is_no_time_is_told(given, capsys):
    assert main(["check", *given, "--account", "ann", "--token-issued-at", "yesterday"]) == 2
    said = capsys.readouterr()
    assert (said.out, "'yesterday' is no time." in said.err) == ("", True)


def test_a_list_that_cannot_be_believed_ends_with_2_and_says_where_and_how_to_mend_it(writer, capsys):
    path = writer.write({}, signed=False)
    assert main(["check", str(path), "--trust", str(writer.trust_file()), "--account", "ann"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"tocsin-gate: {path}: is not signed. Build it anew")
    assert main(["check", str(path), "--trust", str(path), "--account", "ann"]) == 2
    assert "is not JSON" in capsys.readouterr().err


def test_a_wrong_command_line_ends_with_2(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["check"])
    assert ended.value.code == 2


@pytest.mark.parametrize(
    "wrong", [["--listen", "nowhere"], ["--watch-seconds", "0"], ["--source", "ftp://example.org"]]
)
def test_serve_tells_what_it_cannot_do(given, capsys, wrong):
    assert main(["serve", *given, *wrong]) == 2
    assert capsys.readouterr().err.startswith("tocsin-gate: ")


def test_inspect_prints_header_and_counts_and_whether_it_is_trusted(given, capsys):
    assert main(["inspect", *given]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["trusted"], told["way"], told["counts"]) == (True, "signature", {"1": 2, "2": 1, "3": 1})
    assert (told["header"]["epoch"], told["header"]["n"]) == (1, 4)
    assert main(["inspect", given[0]]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["trusted"], told["way"]) == (False, "untrusted")


def test_inspect_counts_wide_columns_and_shows_the_pin(writer, capsys):
    path = writer.write({"ann": 300, "bob": 300}, combinations=[RESET] * 300, width=2)
    assert main(["inspect", str(path)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["counts"]["300"], told["counts"]["1"], told["sha256"]) == (2, 0, writer.digest())


def test_inspect_refuses_a_corrupt_list_without_any_trust(given, capsys):
    path = Path(given[0])
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert main(["inspect", given[0]]) == 2
    assert "is not what its header says" in capsys.readouterr().err


@pytest.mark.parametrize("way", ["module", "script", "link"])
def test_it_runs_as_a_module_and_by_the_script_of_a_bare_checkout(given, tmp_path, way):
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "gate" / "src")}
    if way == "module":
        command = [sys.executable, "-m", "tocsin_gate"]
    else:
        del environment["PYTHONPATH"]
        # The interpreter of these tests has `cryptography`; a bare one would ask for a pin.
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        command = [str(ROOT / "bin" / "tocsin-gate")]
        if way == "link":
            (tmp_path / "linked").symlink_to(command[0])
            command = [str(tmp_path / "linked")]
    run = subprocess.run(
        [*command, "check", *given, "--account", "eve"], env=environment, capture_output=True, text=True, timeout=60
    )
    assert (run.returncode, run.stderr) == (20, "")
    assert json.loads(run.stdout)["code"] == "suspended"
