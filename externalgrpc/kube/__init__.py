"""Stand on the Kubernetes side: mint and revoke join tokens, watch and remove Nodes.

Nothing here is imported, and no Kubernetes library is loaded, while no cluster is configured.
:mod:`externalgrpc.kube.cluster` puts the parts together; it knows nothing of the reconciler.
"""
