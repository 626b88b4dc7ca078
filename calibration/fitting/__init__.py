"""Parameters from measurements: of kernels, links, CPUs and the framework code around kernels."""
