"""What one training step computes: operators as kernels, layers of them, workloads by name.

Nothing here knows a machine: FLOPs, elements and dependencies only.
"""
