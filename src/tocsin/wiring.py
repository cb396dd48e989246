"""The only file that chooses integrations."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from tocsin.cli.wired import RowsState, SimulatedWorld
from tocsin.containment.errors import CallbackNotVerified
from tocsin.containment.ports import Connector
from tocsin.events.ports import Format
from tocsin.kernel import clock
from tocsin.messaging.ports import Receiving, Sending
from tocsin.rehearsals.ports import WorldSecrets

# One folder of tocsin.integrations each; ``FORMATS`` of its file ``format`` is a tuple of events.ports.Format. When two
# formats recognise a file equally well, the one named earlier wins.
FORMAT_FOLDERS: tuple[str, ...] = (
    "web_server",
    "nginx",
    "envoy",
    "traefik",
    "caddy",
    "aws_alb",
    "aws_cloudfront",
    "aws_s3",
    "aws_cloudtrail",
    "google_cloud",
    "okta",
    "auth0",
    "entra",
    "microsoft365",
    "keycloak",
    "google_workspace",
    "github",
    "postgresql",
    "kubernetes",
    "ocsf",
    "syslog",
    "generic",
)

# Kind of connected system -> its folder of tocsin.integrations, whose file ``connector`` has ``connect``, ``SETTINGS``
# and ``SECRETS``.
CONNECTOR_FOLDERS: Mapping[str, str] = {
    "ldap": "ldap",
    "sql": "sql_accounts",
    "keycloak": "keycloak",
    "okta": "okta",
    "entra": "entra",
    "webhook": "webhook",
    "aws_keys": "aws_keys",
}

# Kind of channel -> its folder of tocsin.integrations, whose file ``channel`` has ``connect``, ``SETTINGS`` and
# ``SECRETS``; its file ``receiving``, where webhooks of it come in, has ``RECEIVING``.
CHANNEL_FOLDERS: Mapping[str, str] = {
    "whatsapp": "whatsapp",
    "email": "email",
    "email_provider": "email_provider",
    "sms": "sms",
    "kannel": "sms.kannel",
    "webhook": "standard_webhooks",
}


@dataclass(frozen=True, slots=True)
class Wiring:
    """The outside world as this installation knows it; handed to a door, or to the story, as one value."""

    rows: Callable[[], AbstractContextManager[None]]
    rows_state: Callable[[], RowsState]
    remove_rows: Callable[[], None]

    @property
    def formats(self) -> tuple[Format, ...]:
        """Return the formats that are recognised; ties go to the earlier one. Loaded when first asked for."""
        return formats()

    def stated_formats(self, *, log_format: str | None, mapping: Path | None) -> tuple[Format, ...]:
        """Return the formats an operator states: a web server's log_format, a mapping file; asked before the others."""
        stated: list[Format] = []
        if log_format is not None:
            stated.append(import_module("tocsin.integrations.web_server.log_format").from_log_format(log_format))
        if mapping is not None:
            stated.append(import_module("tocsin.integrations.mapping.mapping").load_mapping(mapping))
        return tuple(stated)

    def suggest_mapping(self, path: Path) -> str:
        """Return the draft of a mapping for a file, as YAML."""
        draft: str = import_module("tocsin.integrations.mapping.suggestion").suggest_mapping(path)
        return draft

    def address_files(self, folder: Path, *, archives: Path | None) -> list[Path]:
        """Bring the raw address tables into ``folder``: networks IPv4, IPv6, countries IPv4, IPv6, centres."""
        packages = import_module("tocsin.integrations.address_tables.packages")
        found: list[Path] = packages.unpack(folder, archives=archives)
        return found

    def connector_kinds(self) -> dict[str, tuple[Mapping[str, str], Mapping[str, str]]]:
        """Return every kind of system that can be connected, with its settings and secrets: name -> description."""
        found = {kind: _connector_file(folder) for kind, folder in CONNECTOR_FOLDERS.items()}
        return {kind: (file.SETTINGS, file.SECRETS) for kind, file in found.items()}

    def connector(self, kind: str, *, name: str, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> Connector:
        """Return the connector of a system; SystemNotUnderstood says which setting is wrong."""
        connected: Connector = _connector_file(CONNECTOR_FOLDERS[kind]).connect(
            name, settings=settings, secrets=secrets
        )
        return connected

    def channel_kinds(self) -> dict[str, tuple[Mapping[str, str], Mapping[str, str]]]:
        """Return every kind of channel, with its settings and secrets: name -> description."""
        found = {kind: _channel_file(folder) for kind, folder in CHANNEL_FOLDERS.items()}
        return {kind: (file.SETTINGS, file.SECRETS) for kind, file in found.items()}

    def channel(self, kind: str, *, name: str, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> Sending:
        """Return a channel, open; ChannelNotUnderstood says which setting is wrong."""
        opened: Sending = _channel_file(CHANNEL_FOLDERS[kind]).connect(name, settings=settings, secrets=secrets)
        return opened

    def whatsapp(self, name: str, *, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> Any:
        """Return the business account of a WhatsApp number; ChannelNotUnderstood says which setting is wrong."""
        account = import_module("tocsin.integrations.whatsapp.account")
        return account.account_of(name, settings=settings, secrets=secrets)

    def webhook(self, kind: str) -> Receiving:
        """Return how webhooks of one kind of channel are verified and read."""
        receiving: Receiving = import_module(f"tocsin.integrations.{CHANNEL_FOLDERS[kind]}.receiving").RECEIVING
        return receiving

    def simulated_world(
        self, *, webhook: str, secrets: WorldSecrets, seed: int
    ) -> AbstractContextManager[SimulatedWorld]:
        """Return a block in which a simulated WhatsApp and a mail catcher run on this machine."""
        running = import_module("tocsin.integrations.simulators.running")
        world: AbstractContextManager[SimulatedWorld] = running.running(webhook=webhook, secrets=secrets, seed=seed)
        return world

    def accept_signal(self, name: str, *, headers: Mapping[str, str], body: bytes) -> Any:
        """Take one security event token that was pushed: the receiver's answer has status, headers and body."""
        return _receiver().accept(name, headers=headers, body=body)

    def poll_signals(self, name: str) -> Any:
        """Ask the transmitter of a stream for what it has; how many tokens came, were new, were refused."""
        return import_module("tocsin.integrations.shared_signals.polling").poll(name, receiver=_receiver())

    def issuer_keys(self, path: Path) -> dict[str, Any]:
        """Return the JWK set in a file; StreamNotUnderstood when it holds none."""
        keys: dict[str, Any] = import_module("tocsin.integrations.shared_signals.issuer_keys").read_file(path)
        return keys

    def verified_callback(self, name: str, *, headers: Mapping[str, str], body: bytes) -> None:
        """Return when a connected product signed what it reports; CallbackNotVerified otherwise."""
        containment = import_module("tocsin.containment.queries")  # it loads DuckDB: not at every start
        system = containment.system(name)
        if system.kind != "webhook":
            raise CallbackNotVerified(f"{name} is no webhook")
        inbound = import_module("tocsin.integrations.webhook.inbound")
        inbound.verified(headers, body, secrets=containment.secrets_of(name), now=clock.now())

    def serve(self, *, host: str, port: int, listening: Callable[[str], None], alone: bool = False) -> None:
        """Answer over HTTP, and unless ``alone`` send and carry out what waits too, until told to stop."""
        serving = import_module("tocsin.api.serving")
        serving.serve(serving.Serving(host=host, port=port, listening=listening, wired=self, alone=alone))

    def work(self) -> None:
        """Carry out what waits, answering nobody, until told to stop."""
        import_module("tocsin.api.serving").work(self)


def build(
    *,
    rows: Callable[[], AbstractContextManager[None]],
    rows_state: Callable[[], RowsState],
    remove_rows: Callable[[], None],
) -> Wiring:
    """Return the integrations, each loaded when it is asked for, with the ways to our rows, as one value."""
    return Wiring(rows=rows, rows_state=rows_state, remove_rows=remove_rows)


@cache
def _receiver() -> Any:
    """Return the one receiver of signals: it keeps the issuers' keys between tokens."""
    return import_module("tocsin.integrations.shared_signals.receiver").Receiver()


def _connector_file(folder: str) -> Any:
    return import_module(f"tocsin.integrations.{folder}.connector")


def _channel_file(folder: str) -> Any:
    return import_module(f"tocsin.integrations.{folder}.channel")


@cache
def formats() -> tuple[Format, ...]:
    """Load every format, in the order in which they are asked."""
    folders = [import_module(f"tocsin.integrations.{name}.format") for name in FORMAT_FOLDERS]
    return tuple(each for folder in folders for each in folder.FORMATS)
