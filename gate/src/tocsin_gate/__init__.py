"""The gate: refuses exactly the accounts, tokens and clients that an incident contained. Standard library only."""

from tocsin_gate.asked import Asked, HeaderReader
from tocsin_gate.errors import GateError, Misused, Refusal, SnapshotRefused, SourceRefused, TrustUnusable
from tocsin_gate.gate import Gate
from tocsin_gate.trust import Trust
from tocsin_gate.values import Applied, Code, Decision, Measure, Refreshed, Status, Way
from tocsin_gate.versions import version_key

__all__ = [
    "Applied",
    "Asked",
    "Code",
    "Decision",
    "Gate",
    "GateError",
    "HeaderReader",
    "Measure",
    "Misused",
    "Refreshed",
    "Refusal",
    "SnapshotRefused",
    "SourceRefused",
    "Status",
    "Trust",
    "TrustUnusable",
    "Way",
    "version_key",
]
