"""The judge of every schedule: an event simulation of tasks on streams, and its timeline."""
