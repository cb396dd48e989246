"""`make benchmark`: investigation against bare parse. It measures; the only thing asserted is that every line was read."""

import os
import subprocess
import sys

import pytest

LINES = int(os.environ.get("TOCSIN_BENCHMARK_LINES", "1000000"))


@pytest.mark.benchmark
@pytest.mark.timeout(0)
def test_investigating_is_measured_against_bare_parsing(tmp_path):
    record = tmp_path / "measured.md"
    module = "tests.benchmark.investigate_10m"
    subprocess.run([sys.executable, "-m", module, "--lines", str(LINES), "--record", str(record)], check=True)
    assert "0 lines rejected" in record.read_text()
