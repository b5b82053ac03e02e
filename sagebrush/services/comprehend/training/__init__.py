"""Custom models of Amazon Comprehend: document classifiers and entity recognizers, trained and imported."""
