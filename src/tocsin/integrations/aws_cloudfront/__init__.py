"""Amazon CloudFront: standard access logs, W3C text and JSON."""
