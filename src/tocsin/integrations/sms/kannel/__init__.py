"""SMS through Kannel, the company's own gateway to the carriers' message centres (SMPP and others)."""
