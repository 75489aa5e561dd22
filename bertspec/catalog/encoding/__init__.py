"""Columns of text to token ids, equal to what `tokenizers` gives, without a loop over rows."""
