"""Amazon S3: server access logs, text and JSON."""
