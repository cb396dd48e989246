"""Any other log, through a mapping the operator writes."""
