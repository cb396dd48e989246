"""Another person of this machine, to be kept out."""

import os
import pwd
import secrets
import shutil
import subprocess
from collections.abc import Iterator

import pytest


@pytest.fixture
def stranger() -> Iterator[str]:
    """Make another ordinary user of this machine; only root can."""
    if os.geteuid() != 0 or shutil.which("useradd") is None or shutil.which("runuser") is None:
        pytest.skip("making another user of the machine needs root, useradd and runuser")
    name = f"tocsintest{secrets.token_hex(4)}"
    subprocess.run(["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name], check=True)
    try:
        assert pwd.getpwnam(name)
        yield name
    finally:
        subprocess.run(["userdel", name], check=True, capture_output=True)
