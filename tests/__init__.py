"""Hold the tests: they mirror externalgrpc and providers, file for file."""
