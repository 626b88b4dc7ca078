"""Many estimates at once: what is varied, and what is read off the answers."""
