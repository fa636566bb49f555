"""Hold the tests of the clouds."""
