"""The parts of `sagebrush model optimize`: where a model comes from, what it is tried on, what is told."""
