"""Texts as models read them: sentences, WordPiece tokens and windows, mapped back to the text."""
