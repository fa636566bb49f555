"""Laws of the house: what must hold whatever clouds, networks and callers do."""
