"""Where people and machines connect from. Nobody's real home address is ever written.

People get addresses no provider assigns to anyone: homes and mobile carriers in the shared space 100.64.0.0/10
(RFC 6598) and in 2001:db8::/32 (RFC 3849), offices in 198.18.0.0/15 (RFC 2544), the company's own networks in
203.0.113.0/24 and 192.0.2.0/24 (RFC 5737). Machines get addresses that ``iporigin`` says are rented, drawn at run
time, because that is what enrichment will look at.
"""

from functools import cache
from ipaddress import IPv4Address
from random import Random

from iporigin import core

HOMES_FIRST, HOMES_COUNT = int(IPv4Address("100.64.0.0")), 1 << 21
CARRIERS_FIRST = int(IPv4Address("100.96.0.0"))
CARRIER_BLOCK = 1 << 17  # addresses one country's carriers share
OFFICES_FIRST, OFFICES_COUNT = int(IPv4Address("198.18.0.0")), 1 << 17
HEADQUARTERS = ("203.0.113.5", "203.0.113.6", "203.0.113.7")
STAFF_VPN = "203.0.113.200"
PRODUCTION = "192.0.2."
# A range wider than this is a provider's whole block, narrower than this a single machine.
_RANGE_SIZES = range(16, 1 << 20)


@cache
def _ranges(kind: str, provider: str) -> tuple[list[int], list[int]]:
    data = core.dataset()
    first: list[int] = []
    last: list[int] = []
    for start, end, label in zip(data.v4_starts, data.v4_ends, data.v4_labels, strict=True):
        named, labelled = data.labels[label]
        if (
            labelled == kind
            and (not provider or named == provider)
            and (end - start in _RANGE_SIZES or kind != "hosting")
        ):
            first.append(start)
            last.append(end)
    return first, last


def drawn(random: Random, *, kind: str, count: int, provider: str = "", together: int = 1) -> list[str]:
    """Return ``count`` different IPv4 addresses of a kind ``iporigin`` knows (hosting, vpn, bot).

    ``together``: how many in a row are neighbours of one /24, as when somebody rents many machines at one place.
    """
    first, last = _ranges(kind, provider)
    chosen: dict[int, None] = {}
    while len(chosen) < count:
        place = random.randrange(len(first))
        start = random.randint(first[place], last[place])
        end = min(last[place], start | 0xFF)
        row = range(start, end + 1)
        for address in random.sample(row, min(together, len(row), count - len(chosen))):
            chosen[address] = None
    return [str(IPv4Address(address)) for address in chosen]
