"""Measuring: torch twins of the workloads, convergence runs and fits. The room of torch and scipy."""
