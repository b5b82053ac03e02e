"""Custom models: document classifiers and entity recognizers, trained by jobs on the shared encoder."""
