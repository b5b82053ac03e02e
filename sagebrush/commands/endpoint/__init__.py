"""The parts of `endpoints`."""
