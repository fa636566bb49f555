"""Tests of the fleet, file by file."""
