"""What the paper claims, what was measured for it, and a verdict by a stated rule."""
