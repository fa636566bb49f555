"""Carry out what the fleet asks: the reconciler, its lanes, the ticker, logs and metrics of it."""
