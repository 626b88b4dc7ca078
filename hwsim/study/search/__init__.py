"""The best plan of a model on a machine, exactly, among many that are named and counted."""
