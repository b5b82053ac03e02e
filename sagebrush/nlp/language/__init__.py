"""Language identification: which languages a text is written in, by its letters and their n-grams."""
