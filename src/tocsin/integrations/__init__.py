"""One small folder per outside system."""
