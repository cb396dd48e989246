"""Directories that speak LDAP with a password policy: a new password is demanded at the next bind."""
