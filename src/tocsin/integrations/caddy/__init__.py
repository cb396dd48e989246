"""Caddy 2: structured access logs."""
