"""Stand in for Cluster Autoscaler (CA): drive a running server the way it does.

For a demonstration without Kubernetes, for tests and benchmarks. ``loop.StandIn`` asks what CA
asks, in CA's order and with CA's caches, ``kubelets.Kubelets`` plays the machines' part, and
:mod:`externalgrpc.commands.demo` shows both to a person.
"""

from externalgrpc.standin.client import GenerationName, Node, Panic
from externalgrpc.standin.events import Emit, Event, Kind
from externalgrpc.standin.loop import Pace, StandIn

__all__ = ["Emit", "Event", "GenerationName", "Kind", "Node", "Pace", "Panic", "StandIn"]
