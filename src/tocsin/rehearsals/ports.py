"""What the outside world of a rehearsal must be able to do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class WorldSecrets:
    """What a simulated WhatsApp and its customer agree on, fresh for each rehearsal."""

    token: str
    app_secret: str
    verify_token: str


@dataclass(frozen=True, slots=True)
class ChannelSetting:
    """A channel into the simulated world, as it is connected."""

    name: str
    kind: str
    line: str
    account: str
    settings: Mapping[str, Any]
    secrets: Mapping[str, str]


class World(Protocol):
    """The simulated outside world: its people can be made to write and to answer."""

    def post(self, what: str, said: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make something happen there: ``say`` (a person writes), ``read``, ``answer``."""
