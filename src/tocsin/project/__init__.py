"""Settings and the entry point that builds the wiring and hands it to a door."""
