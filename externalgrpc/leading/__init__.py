"""Who of several servers may act: a Lease, and what a process may conclude from it.

``term`` is the law, pure; ``following`` reads a Lease that somebody else holds (Cluster
Autoscaler's, in the same pod), ``holding`` holds one of our own; ``election`` asks either again and
again, and is what everything that is sent asks first.
"""
