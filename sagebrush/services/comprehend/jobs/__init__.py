"""Asynchronous jobs: documents in S3 in, results in S3 out, by processing jobs of Comprehend's account."""
