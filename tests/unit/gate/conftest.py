"""A writer of lists made from the format's description alone, sharing nothing with the gate or with Tocsin's own writer."""

import hashlib
import json
import struct
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tocsin_gate import Gate

# 27 May 2014, 10:00 UTC: when containment begins in these tests, in seconds.
T0 = 1_401_184_800
PAGE = 4096
NOW = T0 + 3600


def combination(*demands, reference="R-1"):
    """Make a combination of (measure, since in seconds or None, rule or None)."""
    listed = [
        {"measure": measure, "since": None if since is None else since * 1000, "rule": rule}
        for measure, since, rule in demands
    ]
    return {"demands": listed, "reference": reference}


REAUTHENTICATE = combination(("reauthenticate", T0, None))
RESET = combination(("reset_password", T0, None), ("revoke_sessions", T0, None), reference="R-2")
SUSPEND = combination(("suspend", T0, None), reference="R-3")
OLD_ANDROID = {
    "measure": "update_client", "platform": "android", "version_min": "8.11", "unknown": "pass", "everyone": False,
    "since": T0 * 1000, "until_grace": None,
}  # fmt: skip
OLD_PACKAGE = {
    "measure": "retire_client",
    "client": "com.example.old",
    "platform": "",
    "everyone": False,
    "since": T0 * 1000,
}


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now=NOW):
        self.now = float(now)

    def __call__(self):
        return self.now


class Writer:
    """Writes lists, trust files and changes of one installation."""

    def __init__(self, folder: Path, *, seed=b"a", installation="inst-1"):
        self.folder = folder
        self.installation = installation
        self.key = hashlib.sha256(b"hash key" + seed).digest()
        self.signer = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"signer" + seed).digest())
        self.path = folder / "list.snapshot"

    @property
    def public_key(self):
        return self.signer.public_key().public_bytes_raw()

    def trust(self, **changed):
        return {
            "format": "tocsin-gate-trust/1",
            "installation": self.installation,
            "hash_key": self.key.hex(),
            "public_keys": [self.public_key.hex()],
            **changed,
        }

    def trust_file(self, **changed):
        path = self.folder / "trust.json"
        path.write_text(json.dumps(self.trust(**changed)))
        path.chmod(0o600)
        return path

    def number(self, account):
        return int.from_bytes(hashlib.sha256(self.key.hex().encode() + account.encode()).digest()[:8], "big")

    def rank(self, accounts, account):
        return sorted(self.number(one) for one in accounts).index(self.number(account))

    def key_id(self):
        return hashlib.sha256(b"tocsin-gate-key-id" + self.key).hexdigest()[:16]

    def bytes_of(self, accounts, *, combinations=(REAUTHENTICATE,), rules=(), signed=True, width=1, bits=8, **header):
        """Return a whole file for {account: number of its combination}."""
        rows = sorted((self.number(account), code) for account, code in accounts.items())
        hashes = [number for number, _ in rows]
        index = [sum(number >> (64 - bits) < i for number in hashes) for i in range(2**bits + 1)]
        sections = {
            "index": struct.pack(f"<{len(index)}I", *index),
            "hashes": struct.pack(f"<{len(rows)}Q", *hashes),
            "codes": struct.pack(f"<{len(rows)}{ {1: 'B', 2: 'H', 4: 'I'}[width] }", *[code for _, code in rows]),
        }
        head = {
            "format": 1, "installation": self.installation, "epoch": 1, "made_at": T0 * 1000, "not_after": None,
            "key_id": self.key_id(), "n": len(rows), "index_bits": bits, "width": width, "combinations": list(combinations),
            "rules": list(rules), "sensitive_age_seconds_max": 900, **header,
        }  # fmt: skip
        return self.assembled(head, sections, signed=signed)

    def assembled(self, head, sections, *, signed=True):
        # The header names offsets that depend on its own length: room is kept on the next page, as often as needed.
        offset, raw = PAGE, b""
        while True:
            place, described = offset, {}
            for name, content in sections.items():
                described[name] = {
                    "offset": place,
                    "bytes": len(content),
                    "sha256": hashlib.sha256(content).hexdigest(),
                }
                end = place + len(content)
                place = -(-end // PAGE) * PAGE
            raw = json.dumps({"sections": described, **head}, sort_keys=True, separators=(",", ":")).encode()
            if 32 + len(raw) + 96 <= offset:
                break
            offset += PAGE
        prologue = struct.pack("<8sIIQ8s", b"TOCSGAT1", len(raw), 0, end, bytes(8))
        slot = bytes(96)
        if signed:
            slot = self.public_key + self.signer.sign(b"tocsin-gate-snapshot/1\n" + prologue + raw)
        whole = bytearray(end)
        start = prologue + raw + slot
        whole[: len(start)] = start
        for name, content in sections.items():
            at = described[name]["offset"]
            whole[at : at + len(content)] = content
        return bytes(whole)

    def write(self, accounts, *, path=None, **given):
        """Write a list the way one should: aside, then renamed."""
        path = path or self.path
        aside = path.with_name(path.name + ".new")
        aside.write_bytes(self.bytes_of(accounts, **given))
        aside.replace(path)
        return path

    def digest(self, path=None):
        data = (path or self.path).read_bytes()
        size = struct.unpack_from("<I", data, 8)[0]
        return hashlib.sha256(data[: 32 + size]).hexdigest()

    def change(self, *, epoch=1, seq=1, at=NOW, signed=True, **contents):
        given = {"epoch": epoch, "seq": seq, "at": int(at * 1000), **contents}
        if signed:
            message = json.dumps(given, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
            given["sig"] = self.signer.sign(b"tocsin-gate-change/1\n" + message).hex()
        return given

    def hex_of(self, account):
        return f"{self.number(account):016x}"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def writer(tmp_path):
    return Writer(tmp_path)


@pytest.fixture
def gate_of(writer, clock):
    """Make a gate for {account: code} in one step."""

    def make(accounts, *, trust=None, **given):
        writer.write(accounts, **given)
        return Gate(writer.path, trust=trust or writer.trust(), clock=clock)

    return make
