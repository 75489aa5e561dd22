"""Metrics of each kind of prediction, from predictions tables alone."""
