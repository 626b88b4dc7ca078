"""Predicted against measured: suites, scores, splits, pictures."""
