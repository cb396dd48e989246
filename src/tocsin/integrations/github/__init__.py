"""GitHub: organisation and enterprise audit log."""
