"""Custom models over the shared encoder: features of texts, and what classifiers and recognizers make of
them. A model is a folder with `custom.json` (`{"Kind": "document-classifier" | "entity-recognizer", …}`)
and its arrays."""
