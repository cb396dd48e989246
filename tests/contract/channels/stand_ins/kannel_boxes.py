"""A real Kannel on loopback: bearerbox and smsbox as Debian packages them, with the configuration the how-to shows."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from channel_peers import eventually
from message_centre import Centre
from tests.ports import free_port

USER, PASSWORD = "tocsin", "hush-kannel-password"
NOBODY = "+99900"  # numbers the message centre is not asked about
CONFIGURATION = """
group = core
admin-port = {admin}
admin-password = {password}
status-password = {user}
admin-interface = 127.0.0.1
smsbox-port = {box}
smsbox-interface = 127.0.0.1
box-allow-ip = "127.0.0.1"
store-type = spool
store-location = "{folder}/store"
dlr-storage = internal
sms-resend-retry = 0

group = smsc
smsc = smpp
smsc-id = centre
host = 127.0.0.1
port = {centre}
transceiver-mode = true
smsc-username = tocsin
smsc-password = hush
system-type = ""
reconnect-delay = 1
denied-prefix = "{nobody}"

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {sendsms}
sendsms-interface = 127.0.0.1
http-request-retry = 100
http-queue-delay = 1
mo-recode = true

group = sendsms-user
username = {user}
password = {password}
max-messages = 20
concatenation = true

group = sendsms-user
username = careless
password = {password}

group = sms-service
keyword = default
catch-all = true
max-messages = 0
omit-empty = true
get-url = "{inbound}"
"""


@dataclass
class Boxes:
    """Both boxes of one Kannel; each can be ended and begun again alone."""

    folder: Path
    centre: Centre
    inbound: str
    bearerbox: "subprocess.Popen[bytes] | None" = None
    smsbox: "subprocess.Popen[bytes] | None" = None
    ports: list[int] = field(default_factory=lambda: [free_port() for _ in range(3)])

    @property
    def admin_port(self) -> int:
        return self.ports[0]

    @property
    def sendsms_port(self) -> int:
        return self.ports[2]

    def begin(self) -> None:
        (self.folder / "store").mkdir()
        admin, box, sendsms = self.ports
        (self.folder / "kannel.conf").write_text(
            CONFIGURATION.format(
                admin=admin, box=box, sendsms=sendsms, centre=self.centre.port, folder=self.folder, user=USER,
                password=PASSWORD, nobody=NOBODY, inbound=self.inbound,
            )
        )  # fmt: skip
        self.begin_bearerbox()
        self.begin_smsbox()

    def begin_bearerbox(self) -> None:
        self.bearerbox = self._run("bearerbox")
        assert eventually(lambda: _listens(self.ports[1]))

    def begin_smsbox(self) -> None:
        self.smsbox = self._run("smsbox")
        assert eventually(lambda: _listens(self.sendsms_port) and self.centre.bound())

    def pause_bearerbox(self) -> None:
        """Hold it as a machine that swaps does: everything is connected, and nothing is answered."""
        assert self.bearerbox
        self.bearerbox.send_signal(signal.SIGSTOP)

    def continue_bearerbox(self) -> None:
        assert self.bearerbox
        self.bearerbox.send_signal(signal.SIGCONT)

    def end_smsbox(self) -> None:
        end(self.smsbox)

    def crash(self) -> None:
        """End both at once, as when the machine loses its power."""
        self.end()

    def end(self) -> None:
        for box in (self.smsbox, self.bearerbox):
            end(box)

    def log(self) -> str:
        return "".join(each.read_text("latin-1") for each in sorted(self.folder.glob("*.log")))

    def _run(self, program: str) -> "subprocess.Popen[bytes]":
        # Without -- Kannel takes the name of its configuration for an option's; -v 0 is its debug level.
        with (self.folder / f"{program}.log").open("ab") as log:
            return subprocess.Popen(
                [_program(program), "-v", "0", "--", str(self.folder / "kannel.conf")],
                stdout=log, stderr=log, cwd=self.folder, env={"PATH": os.environ["PATH"], "TZ": "UTC"},
            )  # fmt: skip


def end(box: "subprocess.Popen[bytes] | None") -> None:
    """End one box at once: what it accepted and did not store is lost, as in a crash."""
    if box is not None:
        box.kill()
        box.wait()


@contextmanager
def running(folder: Path, *, centre: Centre, inbound: str = "http://127.0.0.1:9/") -> Iterator[Boxes]:
    """Run both boxes, bound to a message centre, for a block."""
    boxes = Boxes(folder, centre, inbound)
    try:
        boxes.begin()
        yield boxes
    finally:
        boxes.end()


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed (Debian package kannel)")
    return found


def _listens(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0
