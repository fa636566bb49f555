"""Find what is wrong: ``preflight`` before a start, ``doctor`` with a running installation.

``probes`` ask, ``judges`` read plain facts and contact nobody. Nothing here changes anything.
"""
