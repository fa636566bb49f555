"""Measure instead of believing: `make bench` prints every figure that the README names.

Ratios are taken from one run, in interleaved rounds, against a bare grpcio handler in a process of
its own that answers the same bytes; the client is the same for both.
"""
