"""Clocks are corrected by format or by name of file; a correction that fits nothing is not passed over in silence."""

import json

from tocsin.project import main

LINE = '198.51.100.1 - - [10/Nov/2025:08:00:00 +0000] "GET /a HTTP/1.1" 200 1 "-" "Mozilla/5.0"\n'


def test_a_clock_is_corrected_by_file_and_a_name_that_fits_nothing_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TOCSIN_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "edge-1.log").write_text(LINE)
    corrections = ["--skew", "edge-*.log=-90s", "--skew", "nginx_conbined=+2m"]
    assert main.run(["investigate", "edge-1.log", "--out", "found", *corrections]) == 0
    (source,) = json.loads((tmp_path / "found" / "summary.json").read_text())["sources"]
    assert source["first_ts"] == 1_762_761_510_000
    said = capsys.readouterr().err
    assert "edge-1.log: Combined access log (nginx, Apache), 1 line\n" in said
    assert "--skew nginx_conbined: no file that was read is of this format or name." in said
    assert "--skew edge" not in said
