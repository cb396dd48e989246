"""A simulated WhatsApp and a mail catcher as processes of their own, on loopback, for as long as a block lasts."""

import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import quote

import orjson

from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext as _
from tocsin.rehearsals.commands import COMPANY_NAME, MAIL, PHONE
from tocsin.rehearsals.ports import ChannelSetting, WorldSecrets

STOP_SECONDS_MAX = 5
ANSWER_SECONDS_MAX = 10
LISTENING = re.compile(r"(http|smtp)://127\.0\.0\.1:(\d+)")
SENDER = "security@larkwave.example"
LINE, ACCOUNT = "100000000000001", "200000000000001"


class SimulatorSilent(TocsinError):
    """A simulator did not start, or does not answer."""


@dataclass(frozen=True, slots=True)
class SimulatedWorld:
    """Where the simulators listen, and what the simulated WhatsApp wants to see."""

    whatsapp: str  # http://127.0.0.1:PORT
    mail_port: int
    mail_page: str
    secrets: WorldSecrets

    def channels(self) -> Sequence[ChannelSetting]:
        """Return the two channels that lead into this world, as `tocsin channel add` would be told of them."""
        line = {"phone_number_id": LINE, "waba_id": ACCOUNT, "base_url": self.whatsapp, "archive_url": self.whatsapp}
        phone = {"token": self.secrets.token, "app_secret": self.secrets.app_secret}
        mail = {
            "host": "127.0.0.1",
            "port": self.mail_port,
            "security": "none",
            "from": SENDER,
            "from_name": COMPANY_NAME,
        }
        return (
            ChannelSetting(PHONE, "whatsapp", line=LINE, account=ACCOUNT, settings=line, secrets=phone),
            ChannelSetting(MAIL, "email", line="", account="", settings=mail, secrets={}),
        )

    def messages(self) -> Mapping[str, Any]:
        """Return every message the simulated WhatsApp received, as it counts them."""
        return _asked(f"{self.whatsapp}/_simulator/messages")

    def mails(self) -> Mapping[str, Any]:
        """Return every mail that was caught."""
        return _asked(f"{self.mail_page}/_simulator/mails")

    def page(self, *, of_mails: bool, language: str) -> bytes:
        """Return the page of the phones, or of the mails, as a file that needs no simulator any more."""
        place = self.mail_page if of_mails else self.whatsapp
        return _read(f"{place}/_simulator/snapshot.html?lang={quote(language)}")

    def post(self, what: str, said: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make something happen there: ``say`` (a person writes), ``read``, ``answer``, ``faults``, ``advance``."""
        return _asked(f"{self.whatsapp}/_simulator/{what}", body=orjson.dumps(said))


@contextmanager
def running(*, webhook: str, secrets: WorldSecrets, seed: int) -> Iterator[SimulatedWorld]:
    """Run both simulators; webhooks of the simulated WhatsApp go to ``webhook``."""
    with ExitStack() as stack:
        whatsapp = stack.enter_context(
            _process(
                "whatsapp", "--port", "0", "--phone-id", LINE, "--waba-id", ACCOUNT, "--name", COMPANY_NAME,
                "--token", secrets.token, "--app-secret", secrets.app_secret, "--verify-token", secrets.verify_token,
                "--delay", "0.02", "--webhook", webhook, "--seed", str(seed),
            )
        )  # fmt: skip
        mail = stack.enter_context(_process("smtp", "--port", "0", "--http-port", "0", "--seed", str(seed)))
        places, mails = _places(whatsapp), _places(mail)
        yield SimulatedWorld(
            whatsapp=f"http://127.0.0.1:{places['http']}", mail_port=mails["smtp"],
            mail_page=f"http://127.0.0.1:{mails['http']}", secrets=secrets,
        )  # fmt: skip


@contextmanager
def _process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(
        [sys.executable, "-m", "tocsin_simulator", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()
        for pipe in (started.stdout, started.stderr):
            if pipe is not None:
                pipe.close()


def _places(process: subprocess.Popen[str]) -> dict[str, int]:
    """Wait for the line that says where it listens; return the ports by scheme."""
    said = _line(process.stdout)
    found = {scheme: int(port) for scheme, port in LISTENING.findall(said)}
    if not found:
        process.terminate()
        why = process.stderr.read() if process.stderr else ""
        raise SimulatorSilent(
            _("The simulator did not start."),
            where=(said + why).strip()[-300:],
            mend=_("Look whether it is installed: tocsin simulate whatsapp --port 0"),
        )
    return found


def _line(stream: IO[str] | None) -> str:
    return stream.readline() if stream is not None else ""


def _asked(address: str, *, body: bytes | None = None) -> Mapping[str, Any]:
    answer: Mapping[str, Any] = orjson.loads(_read(address, body=body))
    return answer


def _read(address: str, *, body: bytes | None = None) -> bytes:
    headers = {"content-type": "application/json"} if body is not None else {}
    asked = urllib.request.Request(address, data=body, headers=headers)  # noqa: S310 - loopback, our own process
    try:
        with urllib.request.urlopen(asked, timeout=ANSWER_SECONDS_MAX) as answer:  # noqa: S310
            read: bytes = answer.read()
    except (OSError, urllib.error.URLError) as error:
        raise SimulatorSilent(
            _("The simulator does not answer."), where=address.partition("?")[0], mend=_("Run the command again.")
        ) from error
    return read
