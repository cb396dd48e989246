"""E-mail over SMTP (RFC 5321), and what mail servers send back."""
