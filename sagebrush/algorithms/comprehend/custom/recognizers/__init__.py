"""Entity recognizers: documents with mentions in AWS's forms, a conditional random field, metrics."""
