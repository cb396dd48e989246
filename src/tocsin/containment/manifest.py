"""What an approval binds to: the canonical text of everything a plan says, and its SHA-256."""

import hashlib
import json
from typing import Any

AT_START = "start"  # the containment time is the moment the plan starts


def manifest_of(stored: Any) -> dict[str, Any]:
    """Return the manifest of a plan's row; the containment time is in it only where a person set it."""
    return {
        "plan": stored.number,
        "incident": str(stored.incident_id),
        "revision": stored.revision.number,
        "revision_digest": stored.revision.digest,
        "accounts_sha256": stored.revision.accounts_sha256,
        "policy_name": stored.policy_name,
        "policy": stored.policy,
        "follows": stored.follows.number if stored.follows else None,
        "accounts": stored.accounts,
        "measures_sha256": stored.measures_sha256,
        "combinations": stored.combinations,
        "waves": [[wave.number, wave.accounts] for wave in sorted(stored.waves.all(), key=lambda w: w.number)],
        "dry_run": stored.dry_run,
    }


def digest_of(stored: Any) -> str:
    """Return the SHA-256, hexadecimal, of the manifest as canonical JSON (sorted keys, no spaces, ASCII)."""
    text = json.dumps(manifest_of(stored), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
