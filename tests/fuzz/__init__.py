"""Random bytes against what strangers can reach, for as long as one likes."""
