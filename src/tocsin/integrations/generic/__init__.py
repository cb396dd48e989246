"""Any JSON, CSV or Parquet whose field names speak for themselves."""
