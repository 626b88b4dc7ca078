"""Robust fits of laws of steps: points, forms, least squares, intervals, errors, comparisons."""
