"""Traefik: access logs as JSON and in its extended common layout."""
