"""Keycloak: user and admin events, JSON and text."""
