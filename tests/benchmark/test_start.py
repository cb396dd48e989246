"""How long a person waits for ``tocsin --help``; promised under 0.4 s."""

import shutil
import statistics
import subprocess
import time

import pytest


@pytest.mark.benchmark
def test_the_time_to_help():
    command = [shutil.which("tocsin") or "tocsin", "--help"]
    seconds = []
    for _ in range(11):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds.append(time.perf_counter() - started)
    print(f"\ntocsin --help: median {statistics.median(seconds):.3f} s, slowest {max(seconds):.3f} s")
