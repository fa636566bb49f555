"""The unmodified upstream autoscaler scales machines of a fake cloud through our server.

Nothing here stands in for a program that could be run: etcd, kube-apiserver, kube-scheduler, the
server and cluster-autoscaler are processes; only the cloud's API, and the kubelets that would run
on its machines, are played. ``tests/e2e/run`` runs it all.
"""
