"""Steps to convergence: the target read off a curve, the fitted law, its range and its interval."""
