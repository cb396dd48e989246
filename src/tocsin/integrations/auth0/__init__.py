"""Auth0: tenant logs."""
