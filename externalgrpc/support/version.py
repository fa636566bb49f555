"""The version: pyproject.toml says the same, which a test holds.

Asking the installed package's metadata costs a start as much as reading the configuration does.
"""

VERSION = "0.1.0"
