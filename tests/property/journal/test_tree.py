"""What RFC 6962 promises, for trees of any size; the vectors are those of the certificate-transparency project."""

import hashlib

import pytest
from hypothesis import given, strategies as st

from tocsin.journal import tree

# https://github.com/google/certificate-transparency/blob/master/python/ct/crypto/merkle_test.py
LEAVES = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

contents = st.lists(st.binary(max_size=8), min_size=1, max_size=70)


def hashed(blobs: list[bytes]) -> list[bytes]:
    return [tree.leaf_hash(blob) for blob in blobs]


def by_definition(leaves: list[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return hashlib.sha256(b"\x01" + by_definition(leaves[:half]) + by_definition(leaves[half:])).digest()


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_certificate_transparency(size: int):
    assert tree.root_of(hashed(LEAVES[:size])).hex() == ROOTS[size - 1]


@given(st.lists(st.binary(max_size=8), max_size=70))
def test_the_growing_tree_has_the_root_of_the_definition(blobs: list[bytes]):
    assert tree.root_of(hashed(blobs)) == by_definition(hashed(blobs))


@given(contents, st.data())
def test_a_tree_can_be_left_and_taken_up_again_anywhere(blobs: list[bytes], data: st.DataObject):
    cut = data.draw(st.integers(0, len(blobs)))
    grown = tree.Growing()
    for leaf in hashed(blobs[:cut]):
        grown.add(leaf)
    again = tree.Growing(grown.size, grown.peaks)
    for leaf in hashed(blobs[cut:]):
        again.add(leaf)
    assert again.root() == by_definition(hashed(blobs))


@given(contents, st.data())
def test_every_leaf_is_proved_and_nothing_else_is(blobs: list[bytes], data: st.DataObject):
    leaves = hashed(blobs)
    number = data.draw(st.integers(0, len(leaves) - 1))
    path = tree.inclusion_proof(leaves, number=number)
    root = tree.root_of(leaves)

    def reached(leaf: bytes, at: int, nodes: list[bytes]) -> bytes | None:
        return tree.root_from_inclusion(leaf, number=at, size=len(leaves), path=nodes)

    assert reached(leaves[number], number, path) == root
    assert reached(tree.leaf_hash(b"something that long is no leaf"), number, path) != root
    assert reached(leaves[number], number, [*path, leaves[0]]) != root
    if path:
        assert reached(leaves[number], number, path[:-1]) != root
        other = data.draw(st.integers(0, len(leaves) - 1).filter(lambda at: leaves[at] != leaves[number]) | st.just(-1))
        assert other == -1 or reached(leaves[number], other, path) != root or leaves[other] == leaves[number]


@given(contents, st.data())
def test_a_tree_that_only_grew_is_proved_to_have_only_grown(blobs: list[bytes], data: st.DataObject):
    leaves = hashed(blobs)
    earlier = data.draw(st.integers(1, len(leaves)))
    path = tree.consistency_proof(leaves, earlier=earlier)
    old, new = tree.root_of(leaves[:earlier]), tree.root_of(leaves)
    assert tree.is_consistent(old, earlier=earlier, root=new, size=len(leaves), path=path)
    changed = [tree.leaf_hash(b"another first leaf"), *leaves[1:]]
    assert not tree.is_consistent(
        tree.root_of(changed[:earlier]), earlier=earlier, root=new, size=len(leaves), path=path
    )
    assert not tree.is_consistent(old, earlier=earlier, root=tree.root_of(changed), size=len(leaves), path=path)


def test_impossible_questions_are_refused():
    with pytest.raises(ValueError, match="no leaf 1"):
        tree.inclusion_proof([tree.leaf_hash(b"")], number=1)
    with pytest.raises(ValueError, match="no earlier state"):
        tree.consistency_proof([tree.leaf_hash(b"")], earlier=2)
    with pytest.raises(ValueError, match="perfect subtrees"):
        tree.Growing(3, [b""])
    assert tree.root_from_inclusion(b"", number=2, size=2, path=[]) is None
    assert not tree.is_consistent(b"", earlier=0, root=b"", size=2, path=[b""])
