"""Okta: System Log."""
