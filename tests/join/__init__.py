"""A real machine joins: our user-data boots a Debian in an emulator, and its kubelet registers.

Played are only the cloud's API, its metadata service and the package source; ``tests/join/run``
runs it all in a network of its own that leads nowhere else.
"""
