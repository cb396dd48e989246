"""The `tocsin` command: one door, lazy groups."""
