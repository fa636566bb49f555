"""Stand-ins of the four vendors' HTTP APIs, on the engine of :mod:`providers.fakes`."""
