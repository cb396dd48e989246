"""Which wave an account is in: by a keyed hash, so that it is the same each time and nobody outside can foresee it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tocsin.events.queries import EventStore, quoted

EXACT_ACCOUNTS_MAX = 1_000_000  # up to here a share is exact to one account; above, to a few in a thousand of it
_SPACE = 1 << 64


@dataclass(frozen=True, slots=True)
class Threshold:
    """The highest hash of a wave, and the share of the accounts that is then contained."""

    upto: int
    share: float


def hash_sql(key: str) -> str:
    """Return SQL for the place of an account, 64 bits: the first eight bytes of SHA-256 over key and account."""
    return f"('0x' || left(sha256({quoted(key)} || account), 16))::UBIGINT"


def thresholds(
    store: EventStore, *, drawn: str, key: str, shares: Sequence[float], at_once: Sequence[int]
) -> tuple[Threshold, ...]:
    """Return the thresholds of the waves that hold somebody; ``drawn`` has ``measured`` and ``rule``.

    The first wave holds at least one account: a canary that is empty warns of nothing.
    """
    waiting = f"SELECT account FROM ({drawn}) WHERE measured AND {_not_at_once(at_once)}"
    accounts = store.count(waiting)
    if accounts > EXACT_ACCOUNTS_MAX:
        return tuple(Threshold(min(_SPACE - 1, int(share * _SPACE)), share) for share in shares)
    if not accounts:
        return (Threshold(_SPACE - 1, 1.0),)
    store.temporary("hashed", f"SELECT {hash_sql(key)} AS h FROM ({waiting})")
    found: dict[int, Threshold] = {}
    for share in shares:
        last = max(1, math.ceil(share * accounts - 1e-9))
        upto = (
            _SPACE - 1
            if share == 1
            else int(store.column(f"SELECT h FROM hashed ORDER BY h LIMIT 1 OFFSET {last - 1}")[0])
        )
        if last not in found or share == 1:
            found[last] = Threshold(upto, last / accounts)
    return tuple(found.values())


def place_sql(*, at_once: Sequence[int], key: str) -> str:
    """Return SQL for what ``wave_sql`` reads as ``place``: null for whoever begins at once, or is not measured."""
    return f"CASE WHEN measured AND {_not_at_once(at_once)} THEN {hash_sql(key)} END"


def wave_sql(thresholds: Sequence[Threshold]) -> str:
    """Return SQL for the number of an account's wave, 1.. , from ``measured`` and ``place``."""
    steps = " ".join(
        f"WHEN place <= {threshold.upto}::UBIGINT THEN {n}" for n, threshold in enumerate(thresholds[:-1], 1)
    )
    return f"CASE WHEN NOT measured THEN 0 WHEN place IS NULL THEN 1 {steps} ELSE {len(thresholds)} END::SMALLINT"


def _not_at_once(at_once: Sequence[int]) -> str:
    return f"rule NOT IN ({', '.join(str(n) for n in at_once)})" if at_once else "true"
