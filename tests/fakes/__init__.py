"""Hold the fakes: stateful stand-ins of the vendors' HTTP APIs on loopback."""
