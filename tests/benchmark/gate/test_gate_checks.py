"""`make benchmark`: the gate at a million accounts. It measures; what is asserted is that no answer was wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
ACCOUNTS = "1000000"


@pytest.mark.benchmark
@pytest.mark.timeout(0)
def test_the_gate_is_measured_beside_other_stores(tmp_path):
    for needed in ("lmdb", "redis", "numpy"):
        pytest.importorskip(needed)
    record = tmp_path / "measured.md"
    command = [sys.executable, "-m", "tests.benchmark.gate_checks", "--accounts", ACCOUNTS, "--checks", ACCOUNTS]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "gate" / "src")])}
    subprocess.run([*command, "--record", str(record)], check=True, cwd=ROOT, env=environment)
    assert "0 false positives, 0 false negatives, 0 wrong measures" in record.read_text()
