"""Map states in Distributed mode: items read from S3, a child execution for each, results written."""
