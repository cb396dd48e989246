"""Lists built from CSV files, read with the gate's own reader."""

import csv
import gzip
import json
import os
import random
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from tocsin.cli import gate as cli_gate
from tocsin.containment import commands, gate_build, gate_demands, gate_epochs, gate_keys, queries
from tocsin.containment.errors import EpochTooLow, ListNotUnderstood, ListNotWritten, ListUnreadable
from tocsin.containment.gate_file import number_of
from tocsin.events.queries import EventStore
from tocsin.kernel import clock
from tocsin_gate import Gate, SnapshotRefused

SINCE = "2026-03-02T12:00:00Z"
SINCE_S = 1772452800
NOW = datetime(2026, 3, 2, 18, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _clock():
    with clock.fixed(NOW):
        yield


def write(folder: Path, *rows, columns="account,measures,since", name="rows.csv") -> Path:
    path = folder / name
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(columns.split(","))
        writer.writerows(rows)
    return path


def build(folder: Path, *rows, columns="account,measures,since", **more):
    out = folder / "list.tcs"
    built = commands.build_list(write(folder, *rows, columns=columns), out=out, **more)
    return built, Gate(out, trust=queries.trust(), clock=NOW.timestamp)


def asked(gate: Gate, account: str, **more) -> tuple[str, ...]:
    return gate.check(account, **more).measures


def test_exactly_the_accounts_of_the_file_are_on_the_list_each_with_its_own_measures(tmp_path: Path):
    chance = random.Random(7)
    count = int(os.environ.get("TOCSIN_GATE_ACCOUNTS", "300000"))
    kinds = ["reauthenticate", "revoke_sessions;reset_password", "suspend", "rotate_key"]
    truth, path = {}, tmp_path / "rows.csv"
    with path.open("w", encoding="utf-8") as handle:
        handle.write("account,measures,since\n")
        for n in range(count):
            account, kind = f"{chance.getrandbits(40):x}@{n % 97}.example", kinds[chance.getrandbits(2)]
            truth[account] = truth.get(account, frozenset()) | frozenset(kind.split(";"))
            handle.write(f"{account},{kind},{SINCE}\n")
    commands.build_list(path, out=tmp_path / "list.tcs")
    gate = Gate(tmp_path / "list.tcs", trust=queries.trust(), clock=NOW.timestamp)
    assert gate.status().accounts == len(truth)
    wrong = sum(frozenset(asked(gate, account)) != wanted for account, wanted in truth.items())
    strangers = (f"{chance.getrandbits(40):x}@{n % 97}.example" for n in range(count // 2))
    accused = sum(not gate.check(account).allow for account in strangers if account not in truth)
    assert (wrong, accused) == (0, 0)


@pytest.mark.parametrize(("combinations", "width"), [(1, 1), (255, 1), (256, 2), (65_535, 2), (65_536, 4)])
def test_the_column_is_as_wide_as_the_combinations_need_and_none_is_rounded(
    tmp_path: Path, combinations: int, width: int
):
    rows = [(f"a{n}", "reauthenticate", SINCE_S - n) for n in range(combinations)]
    built, gate = build(tmp_path, *rows)
    assert (built.combinations, built.width) == (combinations, width)
    for n in random.Random(1).sample(range(combinations), min(combinations, 500)):
        assert gate.check(f"a{n}", token_issued_at=SINCE_S - n).allow
        assert not gate.check(f"a{n}", token_issued_at=SINCE_S - n - 1).allow


def test_merging_accounts_widens_the_column_when_it_makes_too_many_combinations(tmp_path: Path):
    rows = [(f"a{n}", "reauthenticate", SINCE_S - n) for n in range(255)]
    built, gate = build(tmp_path, *rows, *((f"a{n}", "suspend", SINCE_S) for n in range(255)))
    assert (built.accounts, built.repeated, built.width) == (255, 255, 2)
    assert all(asked(gate, f"a{n}") == ("suspend", "reauthenticate") for n in range(255))
    assert asked(gate, "a7", token_issued_at=SINCE_S - 7) == ("suspend",)


def test_rows_of_one_account_are_merged_and_the_latest_time_holds(tmp_path: Path):
    built, gate = build(
        tmp_path,
        ("a", "reauthenticate", SINCE_S),
        ("a", "reset-password", SINCE_S + 60),
        ("a", "Reauthenticate", SINCE_S + 10),
        ("b", "reauthenticate", SINCE_S),
    )
    assert (built.accounts, built.rows, built.repeated, built.shared) == (2, 4, 2, 0)
    assert asked(gate, "a", token_issued_at=SINCE_S + 9) == ("reset_password", "reauthenticate")
    assert asked(gate, "a", token_issued_at=SINCE_S + 10) == ("reset_password",)
    assert gate.check("a", token_issued_at=SINCE_S + 10, password_changed_at=SINCE_S + 60).allow
    assert gate.check("b", token_issued_at=SINCE_S).allow


def test_two_accounts_with_one_number_are_both_held_to_the_stricter(tmp_path: Path):
    book = gate_demands.Rulebook()
    mild = book.code_of(frozenset({gate_demands.GateDemand(gate_demands.MeasureKind.REAUTHENTICATE, 1000)}))
    strict = book.code_of(frozenset({gate_demands.GateDemand(gate_demands.MeasureKind.SUSPEND, 1000)}))
    rows = f"VALUES (5::UBIGINT, 1, {mild}), (5, 2, {strict}), (9, 3, {mild}), (9, 3, {mild})"
    with EventStore([], scratch=tmp_path) as store:
        found = gate_build.sort(store, f"SELECT h, second::UINTEGER AS second, code FROM ({rows}) t(h, second, code)",
                                book=book, work=tmp_path)  # fmt: skip
    assert (found.columns.n, found.repeated, found.shared) == (2, 1, 1)
    assert book.demands_of(found.columns.codes.read_bytes()[0]) == book.demands_of(mild) | book.demands_of(strict)


def test_platforms_clients_and_rules_for_everybody(tmp_path: Path):
    rules = write(tmp_path, ("windows", "2.0", "refuse"), columns="platform,version_min,unknown", name="rules.csv")
    _built, gate = build(
        tmp_path,
        ("a", "update_client", "", "Android", "8.11", ""),
        ("a", "retire_client", "", "", "", "com.example.old"),
        ("", "update_client", "", "ios", "3.0", ""),
        columns="account,measures,since,platform,version_min,client",
        rules_file=rules,
    )
    assert asked(gate, "a", platform="android", client_version="8.10") == ("update_client",)
    assert gate.check("a", platform="android", client_version="8.11").allow
    assert asked(gate, "a", client="com.example.old") == ("retire_client",)
    assert gate.check("b", platform="android", client_version="1").allow
    assert not gate.check("b", platform="iOS", client_version="2.9").allow
    assert not gate.check(None, platform="windows", client_version="garbage").allow
    assert gate.check("b", client="com.example.old").allow


def test_an_account_that_is_asked_for_nothing_is_not_on_the_list(tmp_path: Path):
    built, gate = build(tmp_path, ("a", "none", ""), ("b", "reauthenticate|none", ""), ("c", "none", ""))
    assert (built.accounts, built.nothing) == (1, 2)
    assert gate.check("a").allow
    assert not gate.check("b").allow


@pytest.mark.parametrize("text", ["2026-03-02T12:00:00Z", "2026-03-02T13:00:00+01:00", str(SINCE_S), f"{SINCE_S}000"])
def test_a_time_is_iso_8601_with_its_zone_or_unix_seconds_or_milliseconds(tmp_path: Path, text: str):
    _built, gate = build(tmp_path, ("a", "reauthenticate", text))
    assert gate.check("a", token_issued_at=SINCE_S).allow
    assert not gate.check("a", token_issued_at=SINCE_S - 1).allow


def test_a_fraction_of_a_second_is_rounded_up_and_no_time_is_now(tmp_path: Path):
    _built, gate = build(tmp_path, ("a", "reauthenticate", f"{SINCE_S}.25"), ("b", "reauthenticate", ""))
    assert not gate.check("a", token_issued_at=SINCE_S).allow
    assert gate.check("a", token_issued_at=SINCE_S + 1).allow
    assert not gate.check("b", token_issued_at=NOW.timestamp() - 1).allow
    assert gate.check("b", token_issued_at=NOW.timestamp()).allow


def test_accounts_are_taken_byte_for_byte(tmp_path: Path):
    names = ["é", "e\u0301", " a", "a ", 'q"uote', "com,ma", "two\nlines", "A", "a", "𝕏", "0", "NULL", "-1"]
    _built, gate = build(tmp_path, *((name, "suspend", "") for name in names))
    assert gate.status().accounts == len(names)
    assert all(asked(gate, name) == ("suspend",) for name in names)
    assert gate.check("É").allow and gate.check("null").allow


def test_every_bad_line_is_named_with_its_mend_and_nothing_is_written(tmp_path: Path):
    path = tmp_path / "rows.csv"
    path.write_bytes(
        b"account,measures,since,platform,version_min,client\n"
        b"good,suspend,,,,\n"
        b"a,reset,,,,\n"
        b"b,,,,,\n"
        b"c,suspend,2026-03-02,,,\n"
        b"d,suspend,2026-03-02T12:00:00,,,\n"
        b"e,suspend,yesterday,,,\n"
        b"f,suspend,2031-01-01T00:00:00Z,,,\n"
        b"g,update_client,,android,,\n"
        b"h,update_client,,android,latest,\n"
        b"i,suspend,,android,8.1,\n"
        b"j,retire_client,,,,\n"
        b",suspend,,,,\n"
        b"k,suspend\n"
        b"l\xff,suspend,,,,\n"
    )
    with pytest.raises(ListNotUnderstood) as caught:
        commands.build_list(path, out=tmp_path / "list.tcs")
    lines = [line.strip().removeprefix(f"{path}:") for line in caught.value.what.splitlines()[1:]]
    assert [int(line.split(":")[0]) for line in lines] == list(range(3, 16))
    for number, words in ((3, "'reset' is no measure"), (4, "names no measure"), (5, "no zone"), (6, "add Z"),
                          (7, "is no time"), (8, "lies ahead"), (9, "needs both"), (10, "is no version"),
                          (11, "has a version_min but does not ask update_client"), (12, "needs the column client"),
                          (13, "can be asked of everybody"), (14, "2 values for 6 columns"), (15, "not UTF-8")):  # fmt: skip
        assert words in lines[number - 3]
    assert caught.value.what.startswith("13 lines")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["rows.csv"]
    assert gate_epochs.last_epoch() == 0


def test_of_many_bad_lines_the_first_twenty_are_shown_and_all_counted(tmp_path: Path):
    path = write(tmp_path, *((f"a{n}", "nonsense" if n % 2 else "suspend", "") for n in range(5000)))
    with pytest.raises(ListNotUnderstood, match="2,500 lines") as caught:
        commands.build_list(path, out=tmp_path / "list.tcs")
    assert len(caught.value.what.splitlines()) == 21


@pytest.mark.parametrize("line", ["account,measure,since", "account,since", "measures,account,account", "", "a;b"])
def test_the_first_line_must_name_known_columns(tmp_path: Path, line: str):
    path = tmp_path / "rows.csv"
    path.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(ListNotUnderstood, match="name the columns"):
        commands.build_list(path, out=tmp_path / "list.tcs")


def test_packed_files_with_a_byte_order_mark_and_crlf_are_read(tmp_path: Path):
    path = tmp_path / "rows.csv.whatever"
    path.write_bytes(gzip.compress("\ufeffAccount,measures\r\na,suspend\r\n".encode()))
    commands.build_list(path, out=tmp_path / "list.tcs")
    gate = Gate(tmp_path / "list.tcs", trust=queries.trust(), clock=NOW.timestamp)
    assert asked(gate, "a") == ("suspend",)


def test_a_file_of_rules_alone_makes_a_list_of_nobody(tmp_path: Path):
    built, gate = build(tmp_path, ("", "update_client", "", "android", "8.11"), columns="account,measures,since,platform,version_min")  # fmt: skip
    assert (built.accounts, gate.status().accounts) == (0, 0)
    assert not gate.check("anybody", platform="android", client_version="8.10").allow


def test_epochs_only_rise_and_a_gate_refuses_an_earlier_one(tmp_path: Path):
    first, gate = build(tmp_path, ("a", "suspend", ""))
    earlier = (tmp_path / "list.tcs").read_bytes()
    second, _gate = build(tmp_path, ("b", "suspend", ""), epoch=40)
    third, _gate = build(tmp_path, ("c", "suspend", ""))
    assert (first.epoch, second.epoch, third.epoch) == (1, 40, 41)
    with pytest.raises(EpochTooLow, match="41"):
        build(tmp_path, ("d", "suspend", ""), epoch=41)
    gate.refresh()
    assert asked(gate, "c") == ("suspend",) and gate.check("a").allow
    (tmp_path / "list.tcs").write_bytes(earlier)
    gate.refresh()
    assert gate.status().epoch == 41 and gate.status().last_refusal.reason == "older_epoch"


def test_the_list_is_secret_to_its_owner_valid_for_days_and_about_nine_bytes_an_account(tmp_path: Path):
    built, _gate = build(tmp_path, *((f"a{n}", "suspend", "") for n in range(100_000)), valid_days=3, reference="I-7")
    assert stat.S_IMODE((tmp_path / "list.tcs").stat().st_mode) == 0o600
    assert built.bytes / built.accounts < 10
    assert sorted(each.name for each in tmp_path.iterdir()) == ["list.tcs", "rows.csv"]
    with pytest.raises(SnapshotRefused, match="was good until"):
        Gate(tmp_path / "list.tcs", trust=queries.trust(), clock=(NOW + timedelta(days=3, seconds=1)).timestamp)
    assert Gate(tmp_path / "list.tcs", trust=queries.trust(), clock=NOW.timestamp).check("a7").reference == "I-7"


def test_when_it_cannot_be_written_the_list_before_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    build(tmp_path, ("a", "suspend", ""))
    before = (tmp_path / "list.tcs").read_bytes()

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tocsin.containment.gate_file.os.fsync", full)
    with pytest.raises(ListNotWritten, match="No space left"):
        build(tmp_path, ("b", "suspend", ""))
    assert (tmp_path / "list.tcs").read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["list.tcs", "rows.csv"]


def test_a_folder_that_is_not_there_is_said_in_words(tmp_path: Path):
    path = write(tmp_path, ("a", "suspend", ""))
    with pytest.raises(ListNotWritten, match="No such file"):
        commands.build_list(path, out=tmp_path / "nowhere" / "list.tcs")


def test_number_of_is_what_the_store_computes(tmp_path: Path):
    with EventStore([], scratch=tmp_path) as store:
        sql = f"SELECT {gate_build.number_sql('account')} AS h FROM (VALUES ('a'), ('é'), ('')) t(account)"
        assert store.column(sql) == [number_of("a"), number_of("é"), number_of("")]


def test_inspection_counts_and_says_why_a_gate_would_refuse(tmp_path: Path):
    build(tmp_path, ("a", "suspend", ""), ("b", "suspend", ""), ("c", "reauthenticate", SINCE))
    found = queries.inspect_list(tmp_path / "list.tcs")
    assert sorted(found.counts.values()) == [1, 2] and not found.refused
    data = bytearray((tmp_path / "list.tcs").read_bytes())
    data[-1] ^= 1
    (tmp_path / "bent.tcs").write_bytes(data)
    assert queries.inspect_list(tmp_path / "bent.tcs").refused == "hash_mismatch"
    (tmp_path / "cut.tcs").write_bytes(data[:5000])
    with pytest.raises(ListUnreadable):
        queries.inspect_list(tmp_path / "cut.tcs")


def test_the_trust_file_is_what_a_gate_takes_and_pins_work_without_a_signature(tmp_path: Path, monkeypatch):
    build(tmp_path, ("a", "suspend", ""))
    runner, out = CliRunner(), tmp_path / "trust.json"
    done = runner.invoke(cli_gate.command, ["trust", "--out", str(out), "--pin", str(tmp_path / "list.tcs")])
    assert done.exit_code == 0 and stat.S_IMODE(out.stat().st_mode) == 0o600
    said = json.loads(out.read_text(encoding="utf-8"))
    assert said["feed_token"] == gate_keys.feed_token() and said["feed_token"] not in done.output
    assert Gate(tmp_path / "list.tcs", trust=out, clock=NOW.timestamp).status().way == "signature"
    monkeypatch.setattr("tocsin_gate.signatures.AVAILABLE", False)
    assert Gate(tmp_path / "list.tcs", trust=out, clock=NOW.timestamp).status().way == "pinned"


def test_from_the_shell_a_list_is_built_and_looked_into_with_json(tmp_path: Path):
    path, out = write(tmp_path, ("a", "suspend", ""), ("b", "reauthenticate", SINCE)), tmp_path / "list.tcs"
    runner = CliRunner()
    done = runner.invoke(cli_gate.command, ["build", "--from", str(path), "--out", str(out), "--json"])
    assert done.exit_code == 0 and json.loads(done.stdout)["accounts"] == 2
    looked = runner.invoke(cli_gate.command, ["inspect", str(out), "--json"])
    assert json.loads(looked.stdout)["counts"] == {"1": 1, "2": 1} and looked.exit_code == 0
    assert "sign in again since 2 March 2026" in runner.invoke(cli_gate.command, ["inspect", str(out)]).stdout
