"""JumpStart's catalogue as far as it runs here: the text-classification models, by AWS's ids."""
