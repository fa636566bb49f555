"""Compose what places Kubero's tenant apps on VPS nodes: admission policies that are applied once.

* :mod:`externalgrpc.kubero.values` reads the operator's Helm values.
* :mod:`externalgrpc.kubero.manifests` writes the manifests, beginning with policies.yaml and
  operator.yaml.
* :mod:`externalgrpc.kubero.cel` writes values as CEL.
"""
