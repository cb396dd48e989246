"""Accounts in a PostgreSQL table: columns are set, flags raised and sessions deleted for whole batches at once."""
