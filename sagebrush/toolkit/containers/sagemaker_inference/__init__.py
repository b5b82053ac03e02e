"""What inference scripts import from AWS's Inference Toolkit: content types, encoder, decoder, errors."""
