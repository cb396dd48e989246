"""Places where tests make a process die do nothing unless they are named."""

import errno
import os
import signal
import subprocess
import sys

import pytest

REACH = (
    "from tocsin.kernel import failpoints\nfor number in range(1000):\n    failpoints.reach('here')\nprint('alive')\n"
)


def reached(plan):
    environment = {**os.environ, "TOCSIN_FAILPOINTS": plan}
    return subprocess.run([sys.executable, "-c", REACH], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("plan", ["", "elsewhere@1", "here@1001", "seed=1,here:0"])
def test_what_is_not_due_goes_on(plan):
    assert reached(plan).stdout == "alive\n"


@pytest.mark.parametrize("plan", ["here@1000", "here", "seed=7,here:0.02"])
def test_a_named_place_kills_without_a_word(plan):
    ended = reached(plan)
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, "")


def test_a_disk_can_be_full_there_instead():
    ended = reached("full:here@3")
    assert ended.returncode == 1
    assert os.strerror(errno.ENOSPC) in ended.stderr
