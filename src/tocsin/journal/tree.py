"""The Merkle tree of RFC 6962, section 2.1: roots, and proofs that an entry is in it or that it only ever grew."""

import hashlib
from collections.abc import Iterable, Sequence

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(content: bytes) -> bytes:
    """Return the hash of one leaf: a zero byte keeps leaves and nodes apart."""
    return hashlib.sha256(b"\x00" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of two subtrees side by side."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Growing:
    """A tree that leaves are added to; it keeps only its perfect subtrees, largest first."""

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        if size.bit_count() != len(peaks):
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} perfect subtrees, not {len(peaks)}")
        self.size = size
        self.peaks = list(peaks)

    def add(self, leaf: bytes) -> None:
        """Add one leaf by its hash, joining every two subtrees of the same size."""
        size, node = self.size, leaf
        while size & 1:
            node = node_hash(self.peaks.pop(), node)
            size >>= 1
        self.peaks.append(node)
        self.size += 1

    def root(self) -> bytes:
        """Return the root: the subtrees folded from the smallest up."""
        if not self.peaks:
            return EMPTY_ROOT
        node = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            node = node_hash(peak, node)
        return node


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the root over the hashes of leaves."""
    tree = Growing()
    for leaf in leaves:
        tree.add(leaf)
    return tree.root()


def inclusion_proof(leaves: Sequence[bytes], *, number: int) -> list[bytes]:
    """Return the audit path of leaf ``number`` (from 0), nearest first (section 2.1.1)."""
    if not 0 <= number < len(leaves):
        raise ValueError(f"there is no leaf {number} among {len(leaves)}")
    if len(leaves) == 1:
        return []
    half = _half(len(leaves))
    if number < half:
        return [*inclusion_proof(leaves[:half], number=number), root_of(leaves[half:])]
    return [*inclusion_proof(leaves[half:], number=number - half), root_of(leaves[:half])]


def root_from_inclusion(leaf: bytes, *, number: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """Return the root an audit path leads to, or None when its length cannot be right (RFC 9162, section 2.1.3.2)."""
    if not 0 <= number < size:
        return None
    node, place, last = leaf, number, size - 1
    for sibling in path:
        if last == 0:
            return None
        if place & 1 or place == last:
            node = node_hash(sibling, node)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        place, last = place >> 1, last >> 1
    return node if last == 0 else None


def consistency_proof(leaves: Sequence[bytes], *, earlier: int) -> list[bytes]:
    """Return the proof that the tree of the first ``earlier`` leaves is a prefix of this one (section 2.1.2)."""
    if not 0 < earlier <= len(leaves):
        raise ValueError(f"a tree of {earlier} leaves is no earlier state of one of {len(leaves)}")
    return _subproof(leaves, earlier=earlier, whole=True)


def _subproof(leaves: Sequence[bytes], *, earlier: int, whole: bool) -> list[bytes]:
    if earlier == len(leaves):
        return [] if whole else [root_of(leaves)]
    half = _half(len(leaves))
    if earlier <= half:
        return [*_subproof(leaves[:half], earlier=earlier, whole=whole), root_of(leaves[half:])]
    return [*_subproof(leaves[half:], earlier=earlier - half, whole=False), root_of(leaves[:half])]


def is_consistent(earlier_root: bytes, *, earlier: int, root: bytes, size: int, path: Sequence[bytes]) -> bool:
    """Whether a consistency proof leads to both roots (RFC 9162, section 2.1.4.2)."""
    if earlier == size:
        return not path and earlier_root == root
    if not 0 < earlier < size or not path:
        return False
    nodes = list(path) if earlier & (earlier - 1) else [earlier_root, *path]
    place, last = earlier - 1, size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = nodes[0]
    for sibling in nodes[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and old == earlier_root and new == root


def _half(size: int) -> int:
    """Return the largest power of two smaller than ``size``."""
    return 1 << ((size - 1).bit_length() - 1)
