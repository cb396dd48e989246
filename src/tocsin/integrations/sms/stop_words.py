"""The words by which people stop SMS, and take them again: the whole message is nothing but the word."""

from collections.abc import Collection

# Those carriers and providers prescribe, and the usual ones of the languages around us.
STOP = frozenset(
    "stop stopall unsubscribe cancel end quit revoke optout opt-out arret arrêt stopp abmelden baja alto "
    "parar cancelar disiscrivi basta afmelden".split()
) | {"stop all"}
START = frozenset({"start", "unstop"})  # "yes" answers other questions too


def is_stop(text: str, *, also_start: Collection[str] = ()) -> bool | None:
    """Return True for a word that stops, False for one that begins again, None for everything else.

    ``also_start`` are a provider's own words for it.
    """
    word = " ".join(text.lower().strip(" .!\"'\r\n\t").split())
    if word in STOP:
        return True
    return False if word in START or word in also_start else None
