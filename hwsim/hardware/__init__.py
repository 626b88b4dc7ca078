"""Hardware as data: devices, the systems they make, and where every figure is from."""
