"""Amazon SageMaker's Neural Topic Model (NTM), open: a variational autoencoder of word counts."""
