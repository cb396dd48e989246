"""Immutable facts from the protected product's logs: sealed segments of typed columns that answer queries."""
