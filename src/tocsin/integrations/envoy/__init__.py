"""Envoy proxy (also Istio, Contour, Envoy Gateway): access logs as JSON and as its default text."""
