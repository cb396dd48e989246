"""The only file that chooses integrations."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module

from tocsin.cli.wired import RowsState
from tocsin.events.ports import Format

# One folder of tocsin.integrations each; ``FORMATS`` of its file ``format`` is a tuple of events.ports.Format. When two formats
# recognise a file equally well, the one named earlier wins.
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


@dataclass(frozen=True, slots=True)
class Wiring:
    """The outside world as this installation knows it; handed to a door, or to the story, as one value."""

    formats: tuple[Format, ...]
    rows: Callable[[], AbstractContextManager[None]]
    rows_state: Callable[[], RowsState]


def build(*, rows: Callable[[], AbstractContextManager[None]], rows_state: Callable[[], RowsState]) -> Wiring:
    """Load the integrations and return them, with the ways to our rows, as one value.

    They are loaded here rather than at import, so that ``tocsin --help`` does not wait for them.
    """
    return Wiring(formats=formats(), rows=rows, rows_state=rows_state)


def formats() -> tuple[Format, ...]:
    """Load every format, in the order in which they are asked."""
    folders = [import_module(f"tocsin.integrations.{name}.format") for name in FORMAT_FOLDERS]
    return tuple(each for folder in folders for each in folder.FORMATS)
