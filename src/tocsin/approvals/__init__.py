"""Who must agree before something irreversible; an approval binds to the digest of what was seen."""
