"""Kubernetes: API server audit log."""
