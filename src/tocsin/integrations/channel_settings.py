"""Settings of a channel, read as strictly as those of a connected system."""

from collections.abc import Sequence
from dataclasses import dataclass

from tocsin.integrations.http_calls.settings import Settings
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext as _
from tocsin.messaging.errors import ChannelNotUnderstood


@dataclass(frozen=True, slots=True)
class ChannelLimits:
    """What a provider allows, as the port asks for it."""

    per_second: float | None = None
    pair_seconds: float | None = None
    pair_burst: int = 1
    people_per_day: int | None = None


class ChannelSettings(Settings):
    """Settings and secrets of one channel by name; every reader raises ChannelNotUnderstood with the place."""

    def wrong(self, key: str, what: str, *, mend: str = "", names: Sequence[str] = ()) -> TocsinError:
        """Return the error for setting ``key``; the value itself is never repeated, it may be a secret."""
        place = _("channel {name}, setting {key}").format(name=self.name, key=key)
        return ChannelNotUnderstood(what, where=place, mend=mend.format(names=", ".join(names)))
