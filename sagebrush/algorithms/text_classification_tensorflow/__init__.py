"""Text Classification - TensorFlow: AWS's transfer learning from a text encoder of TensorFlow Hub."""
