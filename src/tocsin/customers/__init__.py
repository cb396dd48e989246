"""The people we may have to tell: accounts, addresses, languages."""
