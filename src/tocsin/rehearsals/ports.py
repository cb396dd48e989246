"""What the outside world of a rehearsal must be able to do."""

from collections.abc import Mapping
from typing import Any, Protocol


class World(Protocol):
    """The simulated outside world: its people can be made to write and to answer."""

    def post(self, what: str, said: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make something happen there: ``say`` (a person writes), ``read``, ``answer``."""
