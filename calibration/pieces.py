"""Pieces of physics that predictions can do without: what each takes away, for help and pages."""

PIECES = {
    "launch": "the launch of a kernel, and the time in which the host issues it",
    "tiles": "tiles and waves: products, convolutions and recurrences are rooflines at one share",
    "alignment": "the slower products of rows that tensor cores can't load",
    "algorithm": "the choice of a collective's algorithm: every all-reduce is one flat ring",
    "contention": "what transfers take from compute, and on shared links from each other",
    "overlap": "sums of gradients beside the backward pass, gathers of ZeRO 1 and 2 beside the "
    "forward pass, exchanges beside products",
    "software": "the software profile: steps are costed with the mean of all",
    "fused": "kernels that a software profile fuses",
}
