"""Trials: one machine, to see whether it becomes a node."""
