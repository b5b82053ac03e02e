"""Sequence-to-Sequence: encoder-decoder networks with attention, trained and asked as AWS's."""
