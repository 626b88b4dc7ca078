"""The paper redone at a small scale: figures from measured curves, claims judged by rules."""
