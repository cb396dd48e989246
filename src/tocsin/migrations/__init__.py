"""One linear migration history."""
