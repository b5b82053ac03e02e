"""Amazon SageMaker's LDA: topics of bags of words, by a spectral decomposition of their moments."""
