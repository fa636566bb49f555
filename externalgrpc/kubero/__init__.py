"""Place Kubero's tenant apps on VPS nodes, and give apps pools of their own.

Placing is admission policies that are applied once; nothing of it runs in the server:

* :mod:`externalgrpc.kubero.values` reads the operator's Helm values.
* :mod:`externalgrpc.kubero.manifests` writes the manifests, beginning with policies.yaml and
  operator.yaml.
* :mod:`externalgrpc.kubero.cel` writes values as CEL.

Pools run in the server where its file has ``appPools``:

* :mod:`externalgrpc.kubero.apps` reads KuberoApps, :mod:`externalgrpc.kubero.following` follows
  them.
* :mod:`externalgrpc.kubero.pools` makes VPSNodes of what apps ask for, within bounds; pure.
* :mod:`externalgrpc.kubero.proof` says when a pool may be deleted; pure.
* :mod:`externalgrpc.kubero.pool_controller` does it, by
  :mod:`externalgrpc.kubero.pool_writing`, and :mod:`externalgrpc.kubero.gauges` shows it.
"""
