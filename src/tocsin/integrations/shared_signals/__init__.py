"""Security event tokens from other systems: Shared Signals Framework 1.0, pushed (RFC 8935) or polled (RFC 8936)."""
