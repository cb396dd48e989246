"""Debian's Exim on loopback, as the mail server of a company and as that of its customers."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from channel_peers import eventually
from tests.ports import free_port

PROGRAM = "/usr/sbin/exim4"
_SETTINGS = """
primary_hostname = mx.example.org
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
keep_environment =
add_environment =
tls_advertise_hosts =
dsn_advertise_hosts = *
smtputf8_advertise_hosts = *
message_size_limit = 1M
smtp_accept_max = 3
acl_smtp_mail = accept
acl_smtp_rcpt = rcpt
begin acl
rcpt:
  deny local_parts = nobody
       message = 550 5.1.1 no mailbox here by that name
  defer local_parts = grey
       message = 451 4.7.1 Greylisted, come back later
  deny local_parts = listed
       message = 554 5.7.1 Client host blocked using a block list
  accept
begin routers
gone:
  driver = redirect
  local_parts = gone
  allow_fail
  data = :fail: 550 5.1.1 Unknown user
full:
  driver = redirect
  local_parts = full
  allow_fail
  data = :fail: 552 5.2.2 Mailbox is full
returned:
  driver = accept
  domains = larkwave.example
  transport = returned
people:
  driver = accept
  transport = people
begin transports
returned:
  driver = appendfile
  maildir_format
  directory = {folder}/returned
  create_directory
  user = {user}
people:
  driver = appendfile
  maildir_format
  directory = {folder}/people
  create_directory
  user = {user}
begin retry
* * F,1m,10s
"""


class Exim:
    """A running server. ``returned`` holds what it sends back to us, ``people`` what arrived."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port, self._folder = port, folder

    def returned(self, count: int) -> list[bytes]:
        """Wait for so many mails that came back, and return them in the order they came."""
        return self._mails("returned", count)

    def people(self, count: int) -> list[bytes]:
        """Wait for so many mails that arrived."""
        return self._mails("people", count)

    def _mails(self, box: str, count: int) -> list[bytes]:
        folder = self._folder / box / "new"
        eventually(lambda: len(list(folder.glob("*"))) >= count)
        return [path.read_bytes() for path in sorted(folder.glob("*"))]


def is_here() -> bool:
    """Say whether it can be run: it gives up its rights itself, so only the superuser can start it."""
    return shutil.which(PROGRAM) is not None and os.geteuid() == 0


@contextmanager
def running() -> Iterator[Exim]:
    """Run it until the block ends; its own user must be able to reach its folder, which pytest's are not."""
    folder = Path(tempfile.mkdtemp(prefix="tocsin-exim-"))
    user = "Debian-exim"
    port = free_port()
    try:
        for name in ("spool", "log"):
            (folder / name).mkdir()
            os.chown(folder / name, pwd.getpwnam(user).pw_uid, -1)
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        settings = folder / "settings"
        settings.write_text(_SETTINGS.format(folder=folder, port=port, user=user), encoding="utf-8")
        command = [PROGRAM, "-C", str(settings), "-bdf", "-oP", str(folder / "pid")]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            assert eventually(lambda: _answers(port))
            yield Exim(folder, port)
        finally:
            process.terminate()
            process.wait(60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
