"""Text classification by transfer learning: an encoder of Transformers, fine-tuned on labelled sentences."""
