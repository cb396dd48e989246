"""PostgreSQL: server log with pgaudit lines, as stderr, CSV or JSON."""
