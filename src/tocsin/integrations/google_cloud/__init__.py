"""Google Cloud: audit logs."""
