"""What is known of networks before any log is read."""

import ipaddress

import pytest

from tocsin.events.enrichment import _origins


@pytest.fixture(scope="module")
def ranges() -> list[tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int, str]]:
    """Return (first address, last address as a number, kind) of every range."""
    versions, firsts, lasts, kinds = _origins()
    made = {4: ipaddress.IPv4Address, 6: ipaddress.IPv6Address}
    listed = zip(versions, firsts, lasts, kinds, strict=True)
    return [(made[version](int(first)), int(last), kind or "") for version, first, last, kind in listed]


def test_no_range_of_an_origin_begins_in_a_reserved_network(ranges) -> None:
    assert [str(first) for first, _, _ in ranges if not first.is_global or first.is_multicast] == []


def test_only_reserved_ranges_are_left_out(ranges) -> None:
    assert len(ranges) > 30_000
    assert {kind for _, _, kind in ranges} >= {"hosting", "vpn", "tor", "cdn", "bot"}


@pytest.mark.parametrize("address", ["203.0.113.9", "198.51.100.1", "192.0.2.200", "10.0.0.1", "2001:db8::1"])
def test_an_address_of_documentation_or_of_a_private_network_has_no_origin(ranges, address) -> None:
    asked = ipaddress.ip_address(address)
    same = [(first, last) for first, last, _ in ranges if first.version == asked.version]
    assert not any(int(first) <= int(asked) <= last for first, last in same)
