"""Sweeps: the product of many axes answered block by block, and written as it comes."""
