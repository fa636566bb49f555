"""The clouds, standing side by side.

Every cloud is one module that speaks :mod:`providers.contract` upwards and its vendor's API
downwards. The server reaches them through the entry point group ``vps_autoscaler.providers``
only, so that a cloud from another package is no stranger than one of these.
"""
