"""Google Workspace: activity reports."""
