"""Object2Vec: embeddings of pairs of objects, learnt by two encoders and a comparator in PyTorch."""
