"""Changes between two epochs: one JSON object each, signed like the list itself."""

import json
from dataclasses import dataclass
from typing import Any

from tocsin_gate import signatures
from tocsin_gate.trust import Trust
from tocsin_gate.values import Applied

SIGNED = b"tocsin-gate-change/1\n"
_CONTENTS = ("done", "set", "add", "remove", "combinations", "rules")
_LARGEST = 2**64


@dataclass(frozen=True, slots=True)
class Change:
    """One change. ``at`` is Unix seconds; ranks are places in the sorted list; hashes are the accounts' numbers.

    ``heartbeat`` says that it has no contents: it only tells that the list is still current.
    """

    epoch: int
    seq: int
    at: float
    done: tuple[int, ...]
    placed: tuple[tuple[int, int], ...]
    added: tuple[tuple[int, int], ...]
    removed: tuple[int, ...]
    combinations: dict[int, dict[str, Any]]
    rules: dict[int, dict[str, Any]]
    heartbeat: bool


def canonical(given: dict[str, Any]) -> bytes:
    """Return the JSON that is signed: UTF-8, sorted keys, no blanks, without ``sig``."""
    rest = {key: value for key, value in given.items() if key != "sig"}
    return json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def believed(given: dict[str, Any], *, trust: Trust) -> Applied | None:
    """Return None for a change that may be believed, else why not."""
    if signatures.AVAILABLE and trust.public_keys:
        try:
            signature = bytes.fromhex(given["sig"])
        except (KeyError, ValueError, TypeError):
            return Applied.SIGNATURE_WRONG
        message = SIGNED + canonical(given)
        held = any(signatures.holds(public_key=key, signature=signature, message=message) for key in trust.public_keys)
        return None if held else Applied.SIGNATURE_WRONG
    return None if trust.changes_pinned else Applied.NOT_BELIEVED


def read_change(given: dict[str, Any]) -> Change | None:
    """Read a change; None when it is malformed."""
    try:
        change = Change(
            epoch=_number(given["epoch"]),
            seq=_number(given["seq"]),
            at=_number(given["at"]) / 1000,
            done=tuple(_number(rank) for rank in given.get("done", ())),
            placed=tuple((_number(rank), _number(code)) for rank, code in given.get("set", ())),
            added=tuple((_hash(text), _number(code)) for text, code in given.get("add", ())),
            removed=tuple(_hash(text) for text in given.get("remove", ())),
            combinations={_number(int(code)): dict(one) for code, one in given.get("combinations", {}).items()},
            rules={_number(int(number)): dict(one) for number, one in given.get("rules", {}).items()},
            heartbeat=not any(given.get(name) for name in _CONTENTS),
        )
    except (KeyError, ValueError, TypeError, AttributeError):
        return None
    return change


def _number(value: object) -> int:
    if type(value) is not int or not 0 <= value < _LARGEST:
        raise ValueError(value)
    return value


def _hash(text: str) -> int:
    if len(text) != 16:
        raise ValueError(text)
    return int.from_bytes(bytes.fromhex(text))
