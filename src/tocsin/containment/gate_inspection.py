"""What a list says of itself, verified with the gate's own reader."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tocsin.containment import gate_keys
from tocsin.containment.gate_file import ListFile
from tocsin.kernel import clock
from tocsin_gate import Gate, SnapshotRefused


@dataclass(frozen=True, slots=True)
class Inspected:
    """A list's header and counts. ``refused`` says why a gate that trusts this installation would not take it."""

    path: Path
    header: dict[str, Any]
    sha256: str
    public_key: str
    bytes: int
    counts: dict[int, int]  # number of a combination -> accounts
    refused: str
    why: str


def inspect_list(path: Path) -> Inspected:
    """Open a list as a gate of this installation would, and count the accounts of each combination.

    ListUnreadable when the file is no list; whether it is to be believed is said, not raised.
    """
    refused = why = ""
    try:
        Gate(path, trust=gate_keys.trust(), clock=lambda: clock.now().timestamp())
    except SnapshotRefused as error:
        refused, why = error.reason.value, error.what
    file = ListFile(path)
    header = {name: value for name, value in file.header.items() if name != "sections"}
    return Inspected(
        path=path, header=header, sha256=file.sha256, public_key=file.slot[:32].hex(), bytes=path.stat().st_size,
        counts=file.counts(), refused=refused, why=why,
    )  # fmt: skip
