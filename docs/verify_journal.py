#!/usr/bin/env python3
"""Verify a Tocsin journal without Tocsin: python3 verify_journal.py KEY FILE... (needs the package cryptography).

KEY is the journal's public key, 64 hexadecimal digits, noted on the first day. A FILE is what `tocsin journal
prove` or `export` printed, or heads that you or a witness kept: those show whether a history was written anew.
"""

import json
import sys
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def node(*parts: bytes) -> bytes:  # RFC 6962, section 2.1: a leaf is hashed after a zero byte, two nodes after a one
    return sha256(bytes([len(parts) - 1]) + b"".join(parts)).digest()


def root(leaves: list[bytes]) -> bytes:
    half = 1 << (len(leaves) - 1).bit_length() - 1 if leaves[1:] else 0
    return node(root(leaves[:half]), root(leaves[half:])) if half else leaves[0]


def climbed(leaf: bytes, number: int, size: int, path: list[str]) -> bytes:  # section 2.1.1: where a path leads
    half = 1 << (size - 1).bit_length() - 1 if size > 1 and path else 0
    if number < half:
        return node(climbed(leaf, number, half, path[:-1]), bytes.fromhex(path[-1]))
    return node(bytes.fromhex(path[-1]), climbed(leaf, number - half, size - half, path[:-1])) if half else leaf


def signed(head: dict[str, str]) -> dict[str, int | str]:  # ends with InvalidSignature before a word is believed
    KEY.verify(bytes.fromhex(head["signature"]), b"tocsin head v1\n" + head["body"].encode())
    return json.loads(head["body"])


KEY = Ed25519PublicKey.from_public_bytes(bytes.fromhex(sys.argv[1]))
texts = [Path(file).read_text(encoding="utf-8") for file in sys.argv[2:]]
parts = [json.loads(part) for text in texts for part in ([text] if text.startswith("{\n") else text.splitlines())]
leaves = [node(part["content"].encode()) for part in parts if "content" in part and "head" not in part]
heads = [signed(part) for part in parts if "body" in part]
found = [(root(leaves[: head["size"]]), head) for head in heads if leaves and 0 < head["size"] <= len(leaves)]
wrong = leaves and (len(found) != len(heads) or len(leaves) not in {head["size"] for head in heads})
for proof in (part for part in parts if "head" in part):
    leaf, head = node(proof["content"].encode()), signed(proof["head"])
    found.append((climbed(leaf, proof["number"], head["size"], proof["path"]), head))
if wrong or any(hashed.hex() != head["root"] for hashed, head in found):
    sys.exit("WRONG: a head signed something else than these entries")
print(f"{len(heads)} heads are signed; {len(leaves)} entries and {len(found) - len(heads) * bool(leaves)} proofs agree")
