"""Event notifications of buckets (S3 user guide, "Amazon S3 Event Notifications")."""
