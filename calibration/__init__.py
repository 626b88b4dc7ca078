"""Measuring: torch twins of the workloads, convergence runs and fits; here torch and scipy live."""
