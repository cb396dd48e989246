"""Measures for exactly the affected accounts: plans, attempts on other systems, the gate's list, and proof of done."""
