"""HTTP for machines: the gate's feed, signals and facts of done coming in."""
