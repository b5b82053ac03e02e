"""BlazingText, text classification: training, and prediction by NumPy from fastText's model.bin."""
