"""Microsoft Entra ID: sign-in and audit logs."""
