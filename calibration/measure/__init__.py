"""Measurements of the local device: what is timed, how, and the file that it goes to."""
