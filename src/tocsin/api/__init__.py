"""HTTP for machines: the gate's feed, Shared Signals and facts of done coming in."""
