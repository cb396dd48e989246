#!/usr/bin/env python3
"""verify_journal.py, and more: the rows of a batch and the personal values a proof tells, without Tocsin.

python3 verify_proof.py KEY FILE... (needs the package cryptography)

KEY is the journal's public key, 64 hexadecimal digits, noted on the first day. A FILE is what `tocsin journal
prove` or `export` printed, or heads that you or a witness kept: those show whether a history was written anew.
"""

import json
import sys
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

KEY, *FILES = sys.argv[1:]


def root(leaves: list[bytes]) -> bytes:  # RFC 6962, section 2.1
    half = 1 << (len(leaves) - 1).bit_length() - 1 if len(leaves) > 1 else 0
    return node(root(leaves[:half]), root(leaves[half:])) if half else leaves[0]


def climb(
    leaf: bytes, number: int, size: int, path: list[str]
) -> bytes:  # the root an audit path leads to; section 2.1.1
    if size == 1:
        return leaf if not path else b""
    half, above = 1 << (size - 1).bit_length() - 1, bytes.fromhex(path[-1])
    if number < half:
        return node(climb(leaf, number, half, path[:-1]), above)
    return node(above, climb(leaf, number - half, size - half, path[:-1]))


def leaf(content: bytes) -> bytes:
    return sha256(b"\0" + content).digest()


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def signed(head: dict) -> dict:  # ends with InvalidSignature before a word of it is believed
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(KEY))
    key.verify(bytes.fromhex(head["signature"]), b"tocsin head v1\n" + head["body"].encode())
    return json.loads(head["body"])


def commitment(told: dict) -> bytes:
    text = json.dumps({"person": told["person"], "value": told["value"]}, sort_keys=True, separators=(",", ":"))
    return sha256(bytes.fromhex(told["salt"]) + text.encode()).digest()


def check(holds: bool, fault: str) -> None:  # noqa: FBT001
    if not holds:
        sys.exit(f"WRONG: {fault}")


def check_proof(proof: dict) -> None:
    head, said = signed(proof["head"]), json.loads(proof["content"])
    found = climb(leaf(proof["content"].encode()), proof["number"], head["size"], proof["path"])
    check(found.hex() == head["root"], "the entry is not in the journal")
    told = {name: commitment(value).hex() for name, value in proof["personal"].items()}
    check(told.items() <= said["personal"].items(), "a personal value differs")
    if row := proof.get("row"):
        found = climb(leaf(commitment(row)), row["number"], said["rows"]["n"], row["path"])
        check(found.hex() == said["rows"]["root"], "the row is not in the batch")
    print(f"entry {proof['number']} ({said['verb']}) is one of {head['size']} signed at {head['at']}")


texts = [Path(file).read_text(encoding="utf-8") for file in FILES]
for text in texts:
    if text.startswith("{\n"):
        check_proof(json.loads(text))
lines = [json.loads(line) for text in texts if not text.startswith("{\n") for line in text.splitlines()]
leaves = [leaf(line["content"].encode()) for line in lines if "content" in line]
heads = [signed(line) for line in lines if "body" in line]
for head in heads if leaves else []:
    fits = 0 < head["size"] <= len(leaves) and root(leaves[: head["size"]]).hex() == head["root"]
    check(fits, f"the head of {head['size']} entries says otherwise")
check(not leaves or len(leaves) in {head["size"] for head in heads}, "the newest entries stand under no head")
print(f"{len(heads)} heads are signed; {len(leaves)} entries agree with them")
