"""The quickstart: a text classifier from raw text to an answering endpoint, through AWS's API."""
