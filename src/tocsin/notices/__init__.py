"""Notice, its wording per group, follow-up: who is told that they are affected, once, and what it says."""
