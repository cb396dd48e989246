"""nginx: JSON access logs and any ``log_format`` the operator names."""
