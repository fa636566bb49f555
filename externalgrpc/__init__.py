"""The server: Cluster Autoscaler's externalgrpc protocol over VPS clouds."""
