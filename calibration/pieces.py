"""Pieces of physics that predictions can do without: what each takes away, for help and pages."""

PIECES = {
    "launch": "the launch of kernels, and the time in which a host issues them",
    "tiles": "tiles and waves: products, convolutions and recurrences have one share of the peak",
    "alignment": "the slower products of rows that tensor cores can't load",
    "attention": "what attention takes over other products",
    "links": "what links reach: rings at stated rates and latencies",
    "algorithm": "the choice of a collective's algorithm: every all-reduce is a flat ring",
    "contention": "what transfers take from compute, and from each other on shared links",
    "overlap": "what hides sums of gradients, gathers of ZeRO 1 and 2 and exchanges behind compute",
    "profiles": "what was fitted to each software: all have the mean",
    "fused": "the kernels that a software fuses",
}
