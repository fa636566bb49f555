"""What everything stands on: the clock, logs, files, and text that others wrote."""
