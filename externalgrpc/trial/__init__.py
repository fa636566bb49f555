"""Try a group with one machine: see :mod:`externalgrpc.trial.controller`.

``report`` holds what is known of a trial, ``comparison`` what a Node has of what its template
promised.
"""
