"""Put a server together from a configuration, and take a new one while it runs.

The one place where accounts become providers and lanes, and where groups learn whether they
can work. The command line, the tests and the benchmarks all build their server here.
"""

from __future__ import annotations

from externalgrpc.assembly.assembly import AnotherCluster, Assembly
from externalgrpc.assembly.connecting import NoCluster, connect
from externalgrpc.assembly.parts import Parts

__all__ = ["AnotherCluster", "Assembly", "NoCluster", "Parts", "connect"]
