"""Two models on the same test rows: whether one is better than the other."""
