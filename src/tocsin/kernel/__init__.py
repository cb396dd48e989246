"""Ids, clock, errors, redaction: small things with no opinion."""
