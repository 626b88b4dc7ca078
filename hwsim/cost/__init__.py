"""What work costs: shapes and reachable rates in, seconds out. Plain numbers or numpy arrays."""
