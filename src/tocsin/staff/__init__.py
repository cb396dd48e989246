"""The operator's own people, roles, teams, sessions, API keys, sealed secrets."""
