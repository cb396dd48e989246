"""OCSF: events of the Open Cybersecurity Schema Framework, JSON and Parquet."""
