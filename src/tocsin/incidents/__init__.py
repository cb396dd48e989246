"""One possible breach: its signed facts, duties, clocks, severity."""
