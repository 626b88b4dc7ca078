"""Measured steps to convergence: corpora, the training loop, campaigns and the fit of the law."""
