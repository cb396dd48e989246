"""Everything containment keeps sealed, so that the keys of the installation can be rotated."""

from tocsin.containment import signals, systems
from tocsin.kernel.language import gettext_noop
from tocsin.staff.ports import SealedPlace
from tocsin.staff.resealing import SealedColumn


def sealed_places() -> tuple[SealedPlace, ...]:
    """Return every place where containment keeps what is sealed."""
    return (
        SealedColumn(gettext_noop("secrets of connected systems"), "tocsin_connectedsystem", about=systems.about),
        SealedColumn(gettext_noop("secrets of streams"), "tocsin_signalstream", about=signals.about),
    )
