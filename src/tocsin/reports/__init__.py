"""The frozen account of an investigation, for people to look at."""
