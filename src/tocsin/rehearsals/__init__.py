"""A practised crisis: scenarios and the simulated product they run on."""
