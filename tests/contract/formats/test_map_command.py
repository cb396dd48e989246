"""`tocsin map`: from an unknown log to a checked mapping on the command line."""

from tocsin.project.main import run

from .examples import json_lines

RECORD = {
    "when": "2024-06-15T12:00:00Z",
    "who": {"id": "u1"},
    "peer": {"ip": "192.0.2.7"},
    "act": "x\x1b[31m",
    "token": "hunter2",
}


def test_a_log_is_mapped_with_two_commands(tmp_path, capsys):
    log, mapping = tmp_path / "app.jsonl", tmp_path / "app.yml"
    log.write_text(json_lines(RECORD))
    assert run(["map", "suggest", str(log), "--out", str(mapping)]) == 0
    assert "hunter2" not in mapping.read_text()
    assert run(["map", "check", str(mapping), str(log)]) == 0
    shown = capsys.readouterr().out
    assert "1 of 1 lines read" in shown
    assert "192.0.2.7" in shown
    assert "\x1b[31m" not in shown


def test_a_draft_never_replaces_a_file(tmp_path, capsys):
    log = tmp_path / "app.jsonl"
    log.write_text(json_lines(RECORD))
    assert run(["map", "suggest", str(log), "--out", str(log)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert log.read_text() == json_lines(RECORD)


def test_a_mistake_is_shown_with_its_line(tmp_path, capsys):
    log, mapping = tmp_path / "app.jsonl", tmp_path / "app.yml"
    log.write_text(json_lines(RECORD))
    mapping.write_text("name: x\nshape: json\ncolumns:\n  ts: {field: when, tme: iso8601}\n")
    assert run(["map", "check", str(mapping), str(log)]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "app.yml:4: unknown name 'tme'." in said
    assert "Did you mean time?" in said
