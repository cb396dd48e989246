"""Tocsin: from a company's logs to the last customer who is verifiably safe."""

__version__ = "0.1.0"
