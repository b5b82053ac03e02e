"""BlazingText: text classifiers and word vectors, trained by kernels of our own, in fastText's files."""
