"""The pictures of the paper redone (matplotlib)."""
