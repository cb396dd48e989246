"""Append-only, Merkle-chained record of who did what, when and why; every timeline comes from it."""
