"""The gate against a dictionary and a straight reading of the rules; versions against another implementation."""

import tempfile
from pathlib import Path

from hypothesis import given, settings, strategies as st
from packaging.version import Version
from tests.unit.gate.conftest import NOW, T0, Clock, Writer, combination

from tocsin_gate import Applied, Gate, version_key
from tocsin_gate.sidecar import Refused, read_head

MOMENTS = st.one_of(st.none(), st.integers(T0 - 5, T0 + 5))
TIMED = ["reauthenticate", "revoke_sessions", "reset_password", "rotate_key"]
MEASURES = st.lists(
    st.tuples(st.sampled_from([*TIMED, "suspend", "none"]), st.integers(T0 - 5, T0 + 5), st.none()), max_size=4
)
NAMES = st.text(st.characters(codec="utf-8"), max_size=12)
PRECEDENCE = ["suspend", "reset_password", "reauthenticate", "revoke_sessions", "rotate_key"]


def expected(demands, *, done, token, password):
    """Say which measures are still asked for, straight from the rules."""
    unmet = set()
    for measure, since, _ in demands:
        newer_token = token is not None and token >= since
        newer_password = password is not None and password >= since
        met = {
            "reauthenticate": newer_token,
            "revoke_sessions": newer_token,
            "reset_password": done or newer_password,
            "rotate_key": done or newer_token,
            "suspend": False,
            "none": True,
        }[measure]
        if not met:
            unmet.add(measure)
    return tuple(sorted(unmet, key=PRECEDENCE.index))


def opened(folder, accounts, **given_too):
    writer = Writer(Path(folder))
    writer.write(accounts, **given_too)
    return writer, Gate(writer.path, trust=writer.trust(), clock=Clock())


@given(data=st.data())
@settings(max_examples=150)
def test_every_check_agrees_with_a_dictionary(data):
    combinations = data.draw(st.lists(MEASURES, min_size=1, max_size=5))
    accounts = data.draw(st.dictionaries(NAMES, st.integers(1, len(combinations)), max_size=40))
    bits = data.draw(st.integers(8, 10))
    with tempfile.TemporaryDirectory() as folder:
        described = [combination(*demands) for demands in combinations]
        _, gate = opened(
            folder, accounts, combinations=described, bits=bits, width=data.draw(st.sampled_from([1, 2, 4]))
        )
        for name in [*accounts, *data.draw(st.lists(NAMES, max_size=10))]:
            token, password = data.draw(MOMENTS), data.draw(MOMENTS)
            decision = gate.check(name, token_issued_at=token, password_changed_at=password)
            demands = combinations[accounts[name] - 1] if name in accounts else []
            assert decision.measures == expected(demands, done=False, token=token, password=password)
            assert decision.allow == (not decision.measures)


CHANGES = st.lists(
    st.tuples(st.sampled_from(["done", "set", "add", "remove", "repeat"]), st.integers(0, 30), st.integers(0, 3)),
    max_size=40,
)


@given(accounts=st.dictionaries(st.integers(0, 15), st.integers(1, 3), min_size=1), changes=CHANGES)
@settings(max_examples=100)
def test_changes_leave_the_gate_where_a_dictionary_stands(accounts, changes):
    demands = [
        [("reset_password", T0, None)],
        [("suspend", T0, None)],
        [("rotate_key", T0, None), ("reauthenticate", T0, None)],
    ]
    names = {f"a{number}": code for number, code in accounts.items()}
    with tempfile.TemporaryDirectory() as folder:
        writer, gate = opened(folder, names, combinations=[combination(*one) for one in demands])
        codes, done, listed, last = dict(names), set(), sorted(names, key=writer.number), None
        seq = 0
        for kind, number, code in changes:
            name = f"a{number}" if kind in ("add", "remove") else listed[number % len(listed)]
            contents = {
                "done": {"done": [listed.index(name)]} if name in listed else {},
                "set": {"set": [[listed.index(name), code]]} if name in listed else {},
                "add": {"add": [[writer.hex_of(name), code or 1]]},
                "remove": {"remove": [writer.hex_of(name)]},
                "repeat": {},
            }[kind]
            if kind == "repeat":
                assert last is None or gate.apply(last) is Applied.REPEATED
                continue
            seq += 1
            last = writer.change(seq=seq, **contents)
            assert gate.apply(last) is Applied.APPLIED
            if kind == "done":
                done.add(name)
            elif kind in ("set", "add"):
                codes[name] = code if kind == "set" else code or 1
                done.discard(name)
            elif name in names:
                codes[name] = names[name]
            else:
                codes.pop(name, None)
        for name in {*codes, *(f"a{number}" for number in range(31))}:
            asked = demands[codes[name] - 1] if codes.get(name) else []
            wanted = expected(asked, done=name in done, token=None, password=None)
            assert gate.check(name).measures == wanted, name
        assert gate.position == (1, seq)
        assert gate.status().done == len(done)


@given(st.data())
@settings(max_examples=60)
def test_whatever_is_done_to_a_file_the_good_list_goes_on(data):
    with tempfile.TemporaryDirectory() as folder:
        writer, gate = opened(folder, {"ann": 1})
        other = bytearray(writer.bytes_of({"bob": 1}, epoch=2))
        kind = data.draw(st.sampled_from(["flip", "cut", "grow", "splice"]))
        place = data.draw(st.integers(0, len(other) - 1))
        if kind == "flip":
            other[place] ^= data.draw(st.integers(1, 255))
        elif kind == "cut":
            del other[place:]
        elif kind == "grow":
            other += b"x" * data.draw(st.integers(1, 9000))
        else:
            other[place:place] = b"\0" * data.draw(st.integers(1, 50))
        writer.path.write_bytes(other)
        gate.refresh()
        assert gate.status().epoch == 1
        assert not gate.check("ann").allow
        assert gate.check("bob").allow


RELEASES = st.lists(st.integers(0, 10**6), min_size=1, max_size=6)
SUFFIXES = st.one_of(
    st.just(""), st.tuples(st.sampled_from(["a", "b", "rc", "alpha", "beta", "c"]), st.integers(0, 99))
)


def written(release, suffix):
    return ".".join(map(str, release)) + "".join(map(str, suffix))


@given(RELEASES, SUFFIXES, RELEASES, SUFFIXES)
@settings(max_examples=500)
def test_versions_compare_as_packaging_compares_them_where_both_apply(one, one_suffix, other, other_suffix):
    first, second = written(one, one_suffix), written(other, other_suffix)
    assert (version_key(first) < version_key(second)) == (Version(first) < Version(second))
    assert (version_key(first) == version_key(second)) == (Version(first) == Version(second))


@given(RELEASES, SUFFIXES, st.sampled_from([0, 1, 2]))
def test_zeros_at_the_end_and_a_leading_v_mean_nothing(release, suffix, zeros):
    assert version_key(written(release, suffix)) == version_key("v" + written([*release, *[0] * zeros], suffix))


@given(st.text(max_size=30))
def test_no_text_breaks_the_comparison(text):
    key = version_key(text)
    assert key is None or key == version_key(text)


@given(st.lists(st.builds(written, RELEASES, SUFFIXES), min_size=2, max_size=8))
def test_the_order_of_versions_is_an_order(texts):
    keys = sorted(map(version_key, texts))
    assert sorted(keys, reverse=True) == keys[::-1]


@given(
    st.dictionaries(
        st.text(max_size=5), st.one_of(st.integers(), st.text(max_size=5), st.lists(st.integers(), max_size=3))
    )
)
def test_no_change_breaks_the_gate(change):
    with tempfile.TemporaryDirectory() as folder:
        _, gate = opened(folder, {"ann": 1})
        named = {**change, "epoch": change.get("epoch", 1), "seq": change.get("seq", 1), "at": NOW * 1000}
        assert gate.apply(named) in (Applied.MALFORMED, Applied.SIGNATURE_WRONG)
        assert not gate.check("ann").allow


TOKENS = [
    b"GET ",
    b"/gate/v1/check",
    b" HTTP/1.1",
    b"\r\n",
    b"X-Tocsin-Account: ann",
    b"Content-Length: 3",
    b"\n",
    b" ",
    b":",
    b"\0",
]


@given(st.lists(st.one_of(st.sampled_from(TOKENS), st.binary(max_size=8)), max_size=20).map(b"".join))
@settings(max_examples=400)
def test_a_head_is_read_or_refused_whatever_is_sent(data):
    names = frozenset({"x-tocsin-account"})
    try:
        head = read_head(data, names=names)
    except Refused:
        return
    if head is None:
        assert b"\r\n\r\n" not in data
    else:
        assert data[: head.size].endswith(b"\r\n\r\n")
        assert data[: head.size].count(b"\n") == data[: head.size].count(b"\r\n")
        assert len(head.headers) == data[: head.size].lower().count(b"\r\nx-tocsin-account:")
