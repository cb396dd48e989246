"""Comparing what clients say their version is."""

import pytest

from tocsin_gate import version_key

ASCENDING = [
    "0.9", "1.0.0-dev", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11",
    "1.0.0-rc.1", "1.0.0", "1.0.0.1", "1.0.1-rc2", "1.0.1-rc10", "1.0.1", "1.2", "1.10", "8.10.2", "8.11", "10.0",
    "2024.5.27.3.1", "99999999999999999999.1",
]  # fmt: skip


def test_versions_ascend():
    keys = [version_key(text) for text in ASCENDING]
    assert None not in keys
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("8.11", "8.11.0.0"),
        ("v8.11", "8.11"),
        ("V8.11", "8.11"),
        (" 8.11 ", "8.11"),
        ("8.11+build.5", "8.11"),
        ("8.11.0-rc.1+5", "8.11-rc1"),
        ("08.011", "8.11"),
        ("1.0a1", "1.0-alpha.1"),
        ("1.0c1", "1.0rc1"),
        ("1.0.RC1", "1.0rc1"),
        ("0", "0.0"),
    ],
)
def test_two_ways_of_writing_one_version(one, other):
    assert version_key(one) == version_key(other) is not None


@pytest.mark.parametrize(
    "garbage",
    [
        None, "", " ", "latest", "v", "8.", ".8", "8..11", "8,11", "1!2.0", "8.11 (412)", "٨.١١", "8.11-", "8.11-rc..1", "-1",
        "1.0.post1", "1.0-rc\n1", "1" * 101, "8.11;DROP", "8.11\0",
    ],
)  # fmt: skip
def test_garbage_is_no_version(garbage):
    assert version_key(garbage) is None
