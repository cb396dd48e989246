"""Microsoft 365: unified audit log."""
