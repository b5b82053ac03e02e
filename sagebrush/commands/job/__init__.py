"""What `sagebrush jobs` does: a module for each part."""
