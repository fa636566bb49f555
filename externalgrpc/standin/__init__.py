"""Stand in for Cluster Autoscaler (CA): drive a running server the way it does.

For a demonstration without Kubernetes, for tests and benchmarks. ``loop.StandIn`` asks what CA
asks, in CA's order and with CA's caches, ``kubelets.Kubelets`` plays the machines' part, and
``demo.run_demo`` shows both to a person (it alone needs a console, so it is not imported here).
"""

from externalgrpc.standin.client import GenerationName, Node, Panic
from externalgrpc.standin.events import Event, Kind, Tell
from externalgrpc.standin.loop import Pace, StandIn

__all__ = ["Event", "GenerationName", "Kind", "Node", "Pace", "Panic", "StandIn", "Tell"]
