"""What a command gets with ``click.pass_obj``: the wiring, described from below because a door may not import it."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from tocsin.containment.ports import Connector
from tocsin.events.ports import Format
from tocsin.messaging.ports import Receiving, Sending
from tocsin.rehearsals.ports import ChannelSetting, World, WorldSecrets


class SimulatedWorld(World, Protocol):
    """The outside world of a rehearsal, while it runs."""

    def channels(self) -> Sequence[ChannelSetting]:
        """Return the channels that lead into it."""

    def page(self, *, of_mails: bool, language: str) -> bytes:
        """Return its phones, or its mails, as one page that needs nothing else."""


class RowsPlace(StrEnum):
    """Which PostgreSQL keeps our rows."""

    SERVER = "server"  # the one TOCSIN_DATABASE_URL names
    PRIVATE = "private"  # Tocsin's own, started and stopped by its commands


@dataclass(frozen=True, slots=True)
class RowsState:
    """How the database is, found without starting it; ``fault`` says what is wrong, or is empty."""

    place: RowsPlace
    where: str
    made: bool
    running: bool
    fault: str = ""


class Wired(Protocol):
    """The value that every command can ask for."""

    @property
    def formats(self) -> tuple[Format, ...]:
        """Return the formats that are recognised; ties go to the earlier one."""

    def stated_formats(self, *, log_format: str | None, mapping: Path | None) -> tuple[Format, ...]:
        """Return the formats an operator states: a web server's log_format, a mapping file; asked before the others."""

    def suggest_mapping(self, path: Path) -> str:
        """Return the draft of a mapping for a file, as YAML."""

    def address_files(self, folder: Path, *, archives: Path | None) -> list[Path]:
        """Bring the raw address tables into ``folder``: networks IPv4, IPv6, countries IPv4, IPv6, centres."""

    def connector_kinds(self) -> dict[str, tuple[Mapping[str, str], Mapping[str, str]]]:
        """Return every kind of system that can be connected, with its settings and secrets: name -> description."""

    def connector(self, kind: str, *, name: str, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> Connector:
        """Return the connector of a system; SystemNotUnderstood says which setting is wrong."""

    def channel_kinds(self) -> dict[str, tuple[Mapping[str, str], Mapping[str, str]]]:
        """Return every kind of channel, with its settings and secrets: name -> description."""

    def channel(self, kind: str, *, name: str, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> Sending:
        """Return a channel, open; ChannelNotUnderstood says which setting is wrong."""

    def whatsapp(self, name: str, *, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> Any:
        """Return the business account of a WhatsApp number (templates, numbers, media ...), used on one event loop."""

    def webhook(self, kind: str) -> Receiving:
        """Return how webhooks of one kind of channel are verified and read."""

    def simulated_world(
        self, *, webhook: str, secrets: WorldSecrets, seed: int
    ) -> AbstractContextManager[SimulatedWorld]:
        """Return a block in which a simulated WhatsApp and a mail catcher run on this machine."""

    def poll_signals(self, name: str) -> Any:
        """Ask the transmitter of a stream for what it has; how many tokens came, were new, were refused."""

    def issuer_keys(self, path: Path) -> dict[str, Any]:
        """Return the JWK set in a file; StreamNotUnderstood when it holds none."""

    def serve(self, *, host: str, port: int, listening: Callable[[str], None], alone: bool = False) -> None:
        """Answer over HTTP, and unless ``alone`` send and carry out what waits too, until told to stop."""

    def work(self) -> None:
        """Carry out what waits, answering nobody, until told to stop."""

    def rows(self) -> AbstractContextManager[None]:
        """Return a block in which the database answers: started, migrated, and left afterwards."""

    def rows_state(self) -> RowsState:
        """Return how the database is, without starting it."""

    def remove_rows(self) -> None:
        """Remove the private server's data of this installation for good: a rehearsal is over."""
