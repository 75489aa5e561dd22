"""Predictions for files of any size: rows come in, and go out with their answers."""
