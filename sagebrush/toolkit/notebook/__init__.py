"""What runs in a notebook instance."""
