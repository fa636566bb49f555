"""Hold the tests, in the rooms of externalgrpc and providers; CONTRIBUTING.md says which where."""
