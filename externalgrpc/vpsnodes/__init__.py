"""Node groups that are VPSNode objects: read, composed with the file, written back."""
