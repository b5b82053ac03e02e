"""Syntax of English texts: tokens as the English Web Treebank has them, parts of speech, noun phrases."""
